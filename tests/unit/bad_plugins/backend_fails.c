// SPDX-License-Identifier: MIT
/* The best of all, until it is to be opened. Tells the log what the host has given it. */
#include "tests/unit/bad_plugins/bad.h"

extern const struct hearken_plugin hearken_plugin;

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    char line[256];
    snprintf(line, sizeof(line), "probe: size %u, mask %s, threads %u",
             (unsigned)(host->struct_size == sizeof(*host)),
             host->cpu_mask ? host->cpu_mask : "none", (unsigned)host->threads);
    host->log(host->log_context, 3, line);
    host->log(host->log_context, 99, "a level that there is not");
    result->score = 1000000;
    snprintf(result->reason, sizeof(result->reason), "promises much");
}

static int backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    *backend = (struct hearken_backend *)(uintptr_t)host; /* what is no backend of anybody's */
    host->log(host->log_context, 0, "backend_create fails");
    return -EIO;
}

static const struct hearken_kernels kernels = {ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "backend-fails",
    .description = "for tests",
    .probe = probe,
    .backend_create = backend_create,
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};
