// SPDX-License-Identifier: MIT
/* Its kernel table is longer than the host's. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(struct hearken_kernels) + 8,
    OTHER_KERNELS,
};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "wrong-table-size",
    .kernels = &kernels,
    ALL_FUNCTIONS,
};
