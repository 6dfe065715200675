// SPDX-License-Identifier: MIT
/*
 * What probes found, kept on disk, so that a start need not wait for drivers. It is believed as
 * long as nothing has changed that a probe depends on: the plugin, every shared object that was
 * loaded for it, the drivers that are registered, the devices and the right to use them, processor,
 * kernel and boot, the variables that drivers read, and what the host asks for. A probe that died
 * or hung is believed for an hour, one that says "cannot run here" not at all.
 */
#ifndef HEARKEN_PLUGINS_HOST_PROBE_CACHE_H
#define HEARKEN_PLUGINS_HOST_PROBE_CACHE_H

#include "plugins/host/probe_answer.h"

#include <stdint.h>

struct probe_cache {
    char *folder;      /* NULL: nothing is kept */
    uint64_t identity; /* hash of all that does not depend on the plugin */
};

void probe_cache_init(struct probe_cache *cache, const char *helper,
                      const struct hearken_plugin_host *host);
void probe_cache_finish(struct probe_cache *cache);

/* True if it is known what the plugin at `path` says; answer_finish() in any case. */
bool probe_cache_find(const struct probe_cache *cache, const char *path,
                      struct plugin_answer *answer);
void probe_cache_keep(const struct probe_cache *cache, const char *path,
                      const struct plugin_answer *answer);

#endif
