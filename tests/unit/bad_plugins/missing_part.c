// SPDX-License-Identifier: MIT
/* Lacks whatever the environment variable HEARKEN_TEST_MISSING names. */
#include "tests/unit/bad_plugins/bad.h"

extern struct hearken_plugin hearken_plugin;

static struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "missing-part",
    .kernels = &kernels,
    ALL_FUNCTIONS,
};

#define PART(of, entry)                                                                            \
    {                                                                                              \
#entry, &(of).entry, sizeof((of).entry)                                                    \
    }

/* Runs when the host loads this. */
__attribute__((constructor)) static void take_out(void)
{
    const struct {
        const char *name;
        void *entry;
        size_t size;
    } parts[] = {
        PART(hearken_plugin, name),
        PART(hearken_plugin, description),
        PART(hearken_plugin, probe),
        PART(hearken_plugin, backend_create),
        PART(hearken_plugin, backend_destroy),
        PART(hearken_plugin, tensor_create),
        PART(hearken_plugin, tensor_destroy),
        PART(hearken_plugin, queue_create),
        PART(hearken_plugin, queue_destroy),
        PART(hearken_plugin, kernels),
        PART(kernels, buffer_create),
        PART(kernels, memory_create),
        PART(kernels, buffer_destroy),
        PART(kernels, write),
        PART(kernels, read),
        PART(kernels, linear),
        PART(kernels, convolve),
        PART(kernels, layer_norm),
        PART(kernels, self_attend),
        PART(kernels, attend),
        PART(kernels, lstm),
        PART(kernels, embed),
        PART(kernels, reorder),
        PART(kernels, log_softmax),
        PART(kernels, top_k),
    };
    const char *missing = getenv("HEARKEN_TEST_MISSING");
    for (size_t i = 0; missing && i < sizeof(parts) / sizeof(*parts); i++)
        if (strcmp(parts[i].name, missing) == 0)
            memset(parts[i].entry, 0, parts[i].size);
}
