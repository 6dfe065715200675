// SPDX-License-Identifier: MIT
/*
 * Plugins that the host has to refuse, one for each variant that tests/tests.mk lists: compiled
 * with the variant's name in capitals defined, and NAME, its name with hyphens.
 */
#include "tests/unit/bad_plugins/bad.h"

#if defined(NO_SYMBOL)

/* A library that is no plugin. */
extern const int something_else;

EXPORT const int something_else = 1;

#elif defined(WRONG_ABI)

/* Made for another version of the ABI, whose struct ends behind its size. */
struct other_plugin {
    uint32_t abi_version, struct_size;
};

extern const struct other_plugin hearken_plugin_of_old __asm__("hearken_plugin");

EXPORT const struct other_plugin hearken_plugin_of_old = {HEARKEN_PLUGIN_ABI + 6,
                                                          sizeof(struct other_plugin)};

#else

/* ---- What differs ---- */

/* Longer than the host's, where the name says so. */
#ifdef WRONG_TABLE_SIZE
#define TABLE_SIZE sizeof(struct hearken_kernels) + 8
#else
#define TABLE_SIZE sizeof(struct hearken_kernels)
#endif

/* Of the right version, but not as long as the host's. */
#ifdef WRONG_SIZE
#define STRUCT_SIZE sizeof(struct hearken_plugin) - 8
#else
#define STRUCT_SIZE sizeof(struct hearken_plugin)
#endif

/* None that a configuration can hold; would write on a terminal what it likes. */
#ifdef BAD_NAME
#undef NAME
#define NAME "Bad\033[31m name"
#endif

#if defined(UNRULY_PROBE)

/* A score below zero and a reason without an end. */
static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    result->score = -5;
    memset(result->reason, 'r', sizeof(result->reason));
}
#define PROBE .probe = probe

#elif defined(SCORE_ZERO)

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    result->score = 0;
    snprintf(result->reason, sizeof(result->reason), "the stars are not right");
}
#define PROBE .probe = probe

#elif defined(BACKEND_FAILS)

/* The best of all, until it is to be opened. Tells the log what the host has given it. */
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
#define PROBE          .probe = probe

static int backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    *backend = (struct hearken_backend *)(uintptr_t)host; /* what is no backend of anybody's */
    host->log(host->log_context, 0, "backend_create fails");
    return -EIO;
}
#define BACKEND_CREATE .backend_create = backend_create

#endif

/* ---- What is the same ---- */

#ifndef PROBE
#define PROBE NEVER_FUNCTION(probe)
#endif
#ifndef BACKEND_CREATE
#define BACKEND_CREATE NEVER_FUNCTION(backend_create)
#endif

extern struct hearken_plugin hearken_plugin;

static struct hearken_kernels kernels = {.struct_size = TABLE_SIZE, ALL_KERNELS};

EXPORT struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = STRUCT_SIZE,
    .name = NAME,
    .description = "for tests",
    PROBE,
    BACKEND_CREATE,
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};

#ifdef MISSING_PART

#define PART(of, entry)                                                                            \
    {                                                                                              \
#entry, &(of).entry, sizeof((of).entry)                                                    \
    }

/* Takes out what the environment variable HEARKEN_TEST_MISSING names when the host loads this. */
__attribute__((constructor)) static void take_out(void)
{
    const struct {
        const char *name;
        void *entry;
        size_t size;
    } parts[] = {
        PART(hearken_plugin, name),
        PART(hearken_plugin, description),
        PART(hearken_plugin, probe),
        PART(hearken_plugin, backend_create),
        PART(hearken_plugin, backend_destroy),
        PART(hearken_plugin, tensor_create),
        PART(hearken_plugin, tensor_destroy),
        PART(hearken_plugin, queue_create),
        PART(hearken_plugin, queue_destroy),
        PART(hearken_plugin, kernels),
        PART(kernels, buffer_create),
        PART(kernels, memory_create),
        PART(kernels, buffer_destroy),
        PART(kernels, write),
        PART(kernels, read),
        PART(kernels, linear),
        PART(kernels, convolve),
        PART(kernels, layer_norm),
        PART(kernels, self_attend),
        PART(kernels, attend),
        PART(kernels, lstm),
        PART(kernels, embed),
        PART(kernels, reorder),
        PART(kernels, log_softmax),
        PART(kernels, top_k),
    };
    const char *missing = getenv("HEARKEN_TEST_MISSING");
    for (size_t i = 0; missing && i < sizeof(parts) / sizeof(*parts); i++)
        if (strcmp(parts[i].name, missing) == 0)
            memset(parts[i].entry, 0, parts[i].size);
}

#endif
#endif
