// SPDX-License-Identifier: MIT
/* Has no kernel table. */
#include "bad.h"

extern const struct hearken_plugin hearken_plugin;

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "missing-table",
    ALL_FUNCTIONS,
};
