// SPDX-License-Identifier: MIT
#ifndef HEARKEN_PLUGINS_LIBRARY_H
#define HEARKEN_PLUGINS_LIBRARY_H

#include <hearken/hearken.h>
#include <hearken/plugin.h>

/* One file of the plugin directory, loaded and probed, or the reason why it could not be. */
struct plugin_library {
    char *path;
    void *handle;                        /* NULL: not loaded */
    const struct hearken_plugin *plugin; /* NULL: not loaded */
    struct hearken_probe probe;          /* score negative: not loaded */
};

/* Loads `path`, checks the ABI, probes. A failure is a result, told in `library->probe`. */
void plugin_library_init(struct plugin_library *library, char *path,
                         const struct hearken_plugin_host *host);
void plugin_library_finish(struct plugin_library *library);

#endif
