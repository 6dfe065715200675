// SPDX-License-Identifier: MIT
/* Of the right version, but its struct is not as long as the host's. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin) - 8,
    .name = "wrong-size",
    .kernels = &kernels,
    ALL_FUNCTIONS,
};
