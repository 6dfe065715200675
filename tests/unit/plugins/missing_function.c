// SPDX-License-Identifier: MIT
/* Cannot open a backend. */
#include "bad.h"

extern const struct hearken_plugin hearken_plugin;

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "missing-function",
    .description = "for tests",
    NEVER_FUNCTION(probe),
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};
