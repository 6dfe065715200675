// SPDX-License-Identifier: MIT
/* Says that it cannot run here. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    result->score = 0;
    snprintf(result->reason, sizeof(result->reason), "the stars are not right");
}

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "score-zero",
    .description = "for tests",
    .probe = probe,
    NEVER_FUNCTION(backend_create),
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};
