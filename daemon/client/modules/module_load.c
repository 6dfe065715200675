// SPDX-License-Identifier: MIT
#include "daemon/client/modules/module_load.h"

#include "include/internal/library_folder.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "hearken/client/NAME.so" beside libhearken. NULL: no memory. */
static char *path_of(const char *name)
{
    char *folder = library_folder_of(dlsym(RTLD_DEFAULT, "hearken_version")), *path = NULL;
    if (folder && asprintf(&path, "%s/hearken/client/%s.so", folder, name) < 0)
        path = NULL;
    free(folder);
    return path;
}

const void *module_load(const char *name, const char *library, struct hearken_error *error)
{
    char table[32], *path = path_of(name);
    /* RTLD_NODELETE: its libraries may have data of threads. */
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
    snprintf(table, sizeof(table), "%s_module", name);
    const void *found = module ? dlsym(module, table) : NULL;
    if (!path)
        hearken_fail(error, -ENOSYS, "%s: %s", library, strerror(ENOMEM));
    else if (access(path, F_OK) < 0)
        hearken_fail(error, -ENOSYS, "this hearken was built without %s: %s is not there", library,
                     path);
    else if (!found)
        hearken_fail(error, -ENOSYS, "%s cannot be loaded: %s", library, dlerror());
    if (module)
        dlclose(module);
    free(path);
    return found;
}
