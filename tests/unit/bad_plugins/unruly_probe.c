// SPDX-License-Identifier: MIT
/* Its probe gives a score below zero and a reason without an end. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    result->score = -5;
    memset(result->reason, 'r', sizeof(result->reason));
}

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "unruly-probe",
    .description = "for tests",
    .probe = probe,
    NEVER_FUNCTION(backend_create),
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};
