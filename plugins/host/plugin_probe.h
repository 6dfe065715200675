// SPDX-License-Identifier: MIT
/*
 * Runs a plugin's probe in a process of its own. Loading and probing a plugin runs drivers, and on
 * a system that lacks something they expect, drivers abort, hang or use up the memory.
 */
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_PROBE_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_PROBE_H

#include "plugins/host/probe_answer.h"

/* What a probe may use. */
struct probe_limits {
    int milliseconds;
    size_t memory; /* bytes of private memory: without mapped files */
};

extern const struct probe_limits probe_limits; /* the host's defaults */

/*
 * Runs `helper`, the program hearken-probe, on the plugin at `path`. `answer` receives the result
 * in every case; the caller calls answer_finish() on it. The plugin's log lines go to the host's
 * log. Its standard output is discarded, but the last line is quoted if the probe dies. Safe from
 * any thread.
 */
void plugin_probe(const char *helper, const char *path, const struct hearken_plugin_host *host,
                  const struct probe_limits *limits, struct plugin_answer *answer);

#endif
