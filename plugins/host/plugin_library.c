// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void refuse(struct plugin_library *library,
                                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(library->reason, sizeof(library->reason), format, arguments);
    va_end(arguments);
}

/* The name of the first entry that is NULL; NULL if none is. */
static const char *missing_kernel(const struct hearken_kernels *kernels)
{
#define CHECK(entry)                                                                               \
    if (!kernels->entry)                                                                           \
    return #entry
    CHECK(buffer_create);
    CHECK(memory_create);
    CHECK(buffer_destroy);
    CHECK(write);
    CHECK(read);
    CHECK(linear);
    CHECK(convolve);
    CHECK(layer_norm);
    CHECK(self_attend);
    CHECK(attend);
    CHECK(lstm);
    CHECK(embed);
    CHECK(reorder);
    CHECK(log_softmax);
    CHECK(top_k);
#undef CHECK
    return NULL;
}

static bool has_functions(const struct hearken_plugin *plugin)
{
    return plugin->name && plugin->description && plugin->probe && plugin->backend_create &&
           plugin->backend_destroy && plugin->tensor_create && plugin->tensor_destroy &&
           plugin->queue_create && plugin->queue_destroy && plugin->kernels;
}

/* Restricted so that a name needs no quoting in a configuration, a terminal or a log. */
static bool is_name(const char *name)
{
    return *name && strnlen(name, PLUGIN_NAME_SIZE) < PLUGIN_NAME_SIZE &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

/* Checks version and size first: in another version the rest may be laid out differently. */
static bool check_plugin(struct plugin_library *library, const struct hearken_plugin *plugin)
{
    if (plugin->abi_version != HEARKEN_PLUGIN_ABI)
        refuse(library, "built for plugin ABI %u, expected %u", (unsigned)plugin->abi_version,
               HEARKEN_PLUGIN_ABI);
    else if (plugin->struct_size != sizeof(*plugin))
        refuse(library, "its plugin struct has %u bytes, expected %zu",
               (unsigned)plugin->struct_size, sizeof(*plugin));
    else if (!has_functions(plugin))
        refuse(library, "its plugin struct lacks a name, a description or a function");
    else if (!is_name(plugin->name))
        refuse(library, "its name is invalid: expected 1 to %d characters of a-z, 0-9 and '-'",
               PLUGIN_NAME_SIZE - 1);
    else if (plugin->kernels->struct_size != sizeof(*plugin->kernels))
        refuse(library, "its kernel table has %u bytes, expected %zu",
               (unsigned)plugin->kernels->struct_size, sizeof(*plugin->kernels));
    else if (missing_kernel(plugin->kernels))
        refuse(library, "its kernel table lacks '%s'", missing_kernel(plugin->kernels));
    else
        return true;
    return false;
}

static const struct hearken_plugin *load(struct plugin_library *library, const char *path)
{
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        const char *reason = dlerror();
        refuse(library, "%s", reason ? reason : "dlopen failed");
        return NULL;
    }
    const struct hearken_plugin *plugin = dlsym(library->handle, HEARKEN_PLUGIN_SYMBOL);
    if (!plugin)
        refuse(library, "not a plugin: no symbol '%s'", HEARKEN_PLUGIN_SYMBOL);
    return plugin && check_plugin(library, plugin) ? plugin : NULL;
}

int plugin_library_load(const char *path, struct plugin_library *library)
{
    *library = (struct plugin_library){0};
    library->plugin = load(library, path);
    if (library->plugin)
        return 0;
    plugin_library_unload(library);
    return -ENOEXEC;
}

void plugin_library_unload(struct plugin_library *library)
{
    if (library->handle)
        dlclose(library->handle);
    library->handle = NULL;
    library->plugin = NULL;
}
