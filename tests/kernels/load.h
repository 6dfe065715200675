// SPDX-License-Identifier: MIT
/* Opens plugins as the host does. */
#ifndef KERNELS_LOAD_H
#define KERNELS_LOAD_H

#include <hearken/plugin.h>

enum load_result {
    LOAD_READY,
    LOAD_SKIPPED, /* it says that it cannot run here */
    LOAD_BROKEN,  /* no plugin, or not of this ABI */
};

/*
 * Fills `subject()` with the plugin in the file and a backend of it; `host` must outlive them.
 * Prints why, if it is not ready. `library` is to be given to `unload`, whatever the result.
 */
enum load_result load(const char *path, const struct hearken_plugin_host *host, void **library);
void unload(void *library);

#endif
