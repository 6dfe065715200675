// SPDX-License-Identifier: MIT
#include "tests/kernels/load.h"

#include "tests/kernels/subject.h"

#include <dlfcn.h>
#include <string.h>

/* Entries of the table that a plugin must have. They lie one after the other, as pointers. */
static const char *const entries[] = {
    "buffer_create", "memory_create", "buffer_destroy", "write",       "read",
    "linear",        "convolve",      "layer_norm",     "self_attend", "attend",
    "lstm",          "embed",         "reorder",        "log_softmax", "top_k",
};

_Static_assert(sizeof(struct hearken_kernels) - offsetof(struct hearken_kernels, buffer_create) ==
                   sizeof(entries) / sizeof(entries[0]) * sizeof(void (*)(void)),
               "an entry for each kernel");

static bool refuse(const char *path, const char *why, const char *detail)
{
    fprintf(stderr, "%s: %s%s\n", path, why, detail);
    return false;
}

static bool kernels_are_complete(const char *path, const struct hearken_kernels *kernels)
{
    if (!kernels)
        return refuse(path, "has no kernel table", "");
    if (kernels->struct_size != sizeof(*kernels))
        return refuse(path, "has a kernel table of another size", "");
    const char *first = (const char *)kernels + offsetof(struct hearken_kernels, buffer_create);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        void (*entry)(void);
        memcpy(&entry, first + i * sizeof(entry), sizeof(entry));
        if (!entry)
            return refuse(path, "lacks the kernel ", entries[i]);
    }
    return true;
}

static bool plugin_is_complete(const char *path, const struct hearken_plugin *plugin)
{
    if (plugin->abi_version != HEARKEN_PLUGIN_ABI)
        return refuse(path, "has another ABI version", "");
    if (plugin->struct_size != sizeof(*plugin))
        return refuse(path, "has a plugin struct of another size", "");
    if (!plugin->name || !plugin->name[0] || !plugin->description)
        return refuse(path, "has no name or no description", "");
    if (plugin->name[strspn(plugin->name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return refuse(path, "has a name of other than a-z, 0-9 and '-': ", plugin->name);
    if (!plugin->probe || !plugin->backend_create || !plugin->backend_destroy ||
        !plugin->tensor_create || !plugin->tensor_destroy || !plugin->queue_create ||
        !plugin->queue_destroy)
        return refuse(path, "lacks a function of the plugin struct", "");
    return kernels_are_complete(path, plugin->kernels);
}

static const struct hearken_plugin *open_plugin(const char *path, void **library)
{
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*library) {
        refuse(path, "cannot be loaded: ", dlerror());
        return NULL;
    }
    const struct hearken_plugin *plugin = dlsym(*library, HEARKEN_PLUGIN_SYMBOL);
    if (!plugin) {
        refuse(path, "exports no ", HEARKEN_PLUGIN_SYMBOL);
        return NULL;
    }
    return plugin_is_complete(path, plugin) ? plugin : NULL;
}

enum load_result load(const char *path, const struct hearken_plugin_host *host, void **library)
{
    const struct hearken_plugin *plugin = open_plugin(path, library);
    struct hearken_probe found = {.score = -1};

    if (!plugin)
        return LOAD_BROKEN;
    plugin->probe(host, &found);
    if (found.score < 0 || !memchr(found.reason, 0, sizeof(found.reason)) || !found.reason[0]) {
        refuse(path, "probe gives no score or no reason", "");
        return LOAD_BROKEN;
    }
    printf("%s (%s): score %d, %s\n", plugin->name, path, found.score, found.reason);
    if (found.score == 0)
        return LOAD_SKIPPED;
    if (plugin->backend_create(host, &subject()->backend) != 0) {
        refuse(path, "made no backend although its score is above 0: ", subject()->message);
        return LOAD_BROKEN;
    }
    subject()->plugin = plugin;
    subject()->kernels = plugin->kernels;
    return LOAD_READY;
}

void unload(void *library)
{
    if (subject()->backend)
        subject()->plugin->backend_destroy(subject()->backend);
    *subject() = (struct subject){0};
    if (library)
        dlclose(library);
}
