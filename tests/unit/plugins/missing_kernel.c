// SPDX-License-Identifier: MIT
/* Has all kernels but lstm. */
#include "bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(struct hearken_kernels),
    OTHER_KERNELS,
};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "missing-kernel",
    .kernels = &kernels,
    ALL_FUNCTIONS,
};
