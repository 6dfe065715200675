// SPDX-License-Identifier: MIT
/*
 * Caches the results of probes on disk, so that a start need not wait for drivers. A result is
 * valid until something changes that the probe depends on: the plugin, every shared object that the
 * probe loaded, the registered drivers, the devices and this user's access to them, processor,
 * kernel and boot, the variables that drivers read, and the host's options. The failure of a probe
 * that died or hung is valid for an hour; the result "cannot run here" is never cached.
 */
#ifndef HEARKEN_PLUGINS_HOST_PROBE_CACHE_H
#define HEARKEN_PLUGINS_HOST_PROBE_CACHE_H

#include "plugins/host/probe_answer.h"

#include <stdint.h>

struct probe_cache {
    char *folder;      /* NULL: caching is off */
    uint64_t identity; /* hash of everything above that does not depend on the plugin */
};

void probe_cache_init(struct probe_cache *cache, const char *helper,
                      const struct hearken_plugin_host *host);
void probe_cache_finish(struct probe_cache *cache);

/* True if the cache holds a valid result for the plugin at `path`. The caller calls
 * answer_finish() either way. */
bool probe_cache_find(const struct probe_cache *cache, const char *path,
                      struct plugin_answer *answer);
void probe_cache_keep(const struct probe_cache *cache, const char *path,
                      const struct plugin_answer *answer);

#endif
