// SPDX-License-Identifier: MIT
/*
 * Asking a plugin in a process of its own whether it can run here. Loading it and asking runs
 * drivers, and those abort, hang or take all memory where something is missing that they expect.
 */
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_PROBE_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_PROBE_H

#include "plugins/host/probe_answer.h"

/* What a probe may take. */
struct probe_limits {
    int milliseconds;
    size_t memory; /* bytes of its own, that is, not of files */
};

extern const struct probe_limits probe_limits; /* those that the host sets */

/*
 * Runs `helper`, the program hearken-probe, on the plugin at `path`. Whatever happens is told in
 * `answer`, which answer_finish() finishes. What the plugin logs goes to the host's log; what it
 * prints goes nowhere, but for its last line, if it ends there. From any thread.
 */
void plugin_probe(const char *helper, const char *path, const struct hearken_plugin_host *host,
                  const struct probe_limits *limits, struct plugin_answer *answer);

#endif
