// SPDX-License-Identifier: MIT
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_LIBRARY_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_LIBRARY_H

#include <hearken/plugin.h>

#define PLUGIN_NAME_SIZE 64 /* bytes, with the terminating zero */

/* A plugin file loaded into this process and checked against the ABI. Loading calls none of the
 * plugin's functions. */
struct plugin_library {
    void *handle; /* from dlopen */
    const struct hearken_plugin *plugin;
    char reason[256]; /* why it could not be loaded */
};

/* 0, or -ENOEXEC with a reason. Runs the constructors of the shared object. */
int plugin_library_load(const char *path, struct plugin_library *library);
void plugin_library_unload(struct plugin_library *library);

#endif
