// SPDX-License-Identifier: MIT
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_LIBRARY_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_LIBRARY_H

#include <hearken/plugin.h>

#define PLUGIN_NAME_SIZE 64 /* with the zero at its end */

/* A plugin file in this process, checked against the ABI. None of its functions has been called. */
struct plugin_library {
    void *handle; /* of dlopen */
    const struct hearken_plugin *plugin;
    char reason[256]; /* why it could not be loaded */
};

/* 0, or -ENOEXEC with a reason. Runs the constructors that are in the file. */
int plugin_library_load(const char *path, struct plugin_library *library);
void plugin_library_unload(struct plugin_library *library);

#endif
