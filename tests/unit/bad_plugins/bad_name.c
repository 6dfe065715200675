// SPDX-License-Identifier: MIT
/* Its name is none that a configuration can hold, and would write on a terminal what it likes. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "Bad\033[31m name",
    .kernels = &kernels,
    ALL_FUNCTIONS,
};
