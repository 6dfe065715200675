// SPDX-License-Identifier: MIT
/* Does not say what it is called. */
#include "bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .kernels = &kernels,
    ALL_FUNCTIONS,
};
