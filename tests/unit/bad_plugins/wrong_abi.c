// SPDX-License-Identifier: MIT
/* Made for another version of the ABI, whose struct ends behind its size. */
#include "tests/unit/bad_plugins/bad.h"

struct other_plugin {
    uint32_t abi_version, struct_size;
};

extern const struct other_plugin hearken_plugin_of_old __asm__("hearken_plugin");

EXPORT const struct other_plugin hearken_plugin_of_old = {HEARKEN_PLUGIN_ABI + 6,
                                                          sizeof(struct other_plugin)};
