// SPDX-License-Identifier: MIT
#include "library.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void refuse(struct plugin_library *library,
                                                         const char *format, ...)
{
    library->probe.score = -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(library->probe.reason, sizeof(library->probe.reason), format, arguments);
    va_end(arguments);
}

/* The name of the first entry that is missing, NULL if all are there. */
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

/* One that a configuration can hold, and that does nothing to a terminal or a log. */
static bool is_name(const char *name)
{
    return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

/* Reads version and size before anything else: the rest may be laid out differently. */
static bool check_plugin(struct plugin_library *library, const struct hearken_plugin *plugin)
{
    if (plugin->abi_version != HEARKEN_PLUGIN_ABI)
        refuse(library, "made for plugin ABI %u, expected %u", (unsigned)plugin->abi_version,
               HEARKEN_PLUGIN_ABI);
    else if (plugin->struct_size != sizeof(*plugin))
        refuse(library, "its plugin struct has %u bytes, expected %zu",
               (unsigned)plugin->struct_size, sizeof(*plugin));
    else if (!has_functions(plugin))
        refuse(library, "its plugin struct lacks a name or a function");
    else if (!is_name(plugin->name))
        refuse(library, "its name is not of a-z, 0-9 and '-' alone");
    else if (plugin->kernels->struct_size != sizeof(*plugin->kernels))
        refuse(library, "its kernel table has %u bytes, expected %zu",
               (unsigned)plugin->kernels->struct_size, sizeof(*plugin->kernels));
    else if (missing_kernel(plugin->kernels))
        refuse(library, "its kernel table lacks '%s'", missing_kernel(plugin->kernels));
    else
        return true;
    return false;
}

void plugin_library_init(struct plugin_library *library, char *path,
                         const struct hearken_plugin_host *host)
{
    *library = (struct plugin_library){.path = path};
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        const char *reason = dlerror();
        refuse(library, "%s", reason ? reason : "dlopen failed");
        return;
    }
    const struct hearken_plugin *plugin = dlsym(library->handle, HEARKEN_PLUGIN_SYMBOL);
    if (!plugin) {
        refuse(library, "not a plugin: it has no symbol '%s'", HEARKEN_PLUGIN_SYMBOL);
        return;
    }
    if (!check_plugin(library, plugin))
        return;
    library->plugin = plugin;
    plugin->probe(host, &library->probe);
    library->probe.reason[sizeof(library->probe.reason) - 1] = 0;
    if (library->probe.score < 0)
        library->probe.score = 0;
}

void plugin_library_finish(struct plugin_library *library)
{
    if (library->handle)
        dlclose(library->handle);
    free(library->path);
}
