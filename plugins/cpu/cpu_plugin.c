// SPDX-License-Identifier: MIT
/*
 * The cpu backend: kernels for the processor's instruction sets, on all its cores. plugins/common/
 * has the argument checks and the kernels that only copy.
 */
#include "plugins/cpu/cpu.h"
#include "plugins/cpu/cpu_processor.h"
#include "plugins/cpu/thread_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Choosing the kernels ---- */

enum { LEVEL_WARNING = 1, LEVEL_INFO = 2 }; /* of hearken.h, which plugins do not include */

static const struct choice {
    unsigned needs; /* of enum processor_set */
    int score;
    const char *words;
    const struct instruction_set *set;
    const struct matrix_kernels *blocks;
} choices[] = {
#if defined(__x86_64__)
    {PROCESSOR_AVX512 | PROCESSOR_VNNI, 40, "AVX-512 with VNNI", &instruction_set_avx512,
     &blocks_vnni},
    /* After VNNI, which every processor with AMX has too, until AMX has been measured. */
    {PROCESSOR_AVX512 | PROCESSOR_AMX, 35, "AVX-512 with AMX", &instruction_set_avx512,
     &blocks_amx},
    {PROCESSOR_AVX512, 30, "AVX-512", &instruction_set_avx512, &blocks_avx512},
    {PROCESSOR_AVX2 | PROCESSOR_AVXVNNI, 25, "AVX2 with VNNI", &instruction_set_avx2,
     &blocks_avxvnni},
    {PROCESSOR_AVX2, 20, "AVX2 with FMA", &instruction_set_avx2, &blocks_avx2},
#elif defined(__aarch64__)
    {PROCESSOR_NEON | PROCESSOR_DOTPROD, 30, "NEON with dot product", &instruction_set_neon,
     &blocks_dotprod},
    {PROCESSOR_NEON, 20, "NEON", &instruction_set_neon, NULL},
#endif
    {0, 2, "plain C in tiles", &instruction_set_plain, NULL},
};

static const struct choice *choose(const char *mask)
{
    const unsigned sets = processor_sets(mask);
    const struct choice *choice = choices;

    while ((choice->needs & sets) != choice->needs)
        choice++;
    return choice;
}

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    const char *mask = host ? host->cpu_mask : NULL;
    const struct choice *choice = choose(mask);

    result->score = choice->score;
    snprintf(result->reason, sizeof(result->reason), "%s%s%s", choice->words,
             mask && *mask ? "; withheld: " : "", mask ? mask : "");
}

/* ---- Backend and queues ---- */

static void report_choice(const struct hearken_plugin_host *host, const struct cpu_backend *backend,
                          const char *words)
{
    char line[192];
    int length;

    if (!host || !host->log)
        return;
    const char *unknown = processor_unknown_set(host->cpu_mask, &length);
    if (unknown) {
        snprintf(
            line, sizeof(line),
            "cpu: no instruction set is called '%.*s', expected avx2, avxvnni, avx512, vnni, amx, "
            "neon or dotprod",
            length < 64 ? length : 64, unknown);
        host->log(host->log_context, LEVEL_WARNING, line);
    }
    snprintf(line, sizeof(line), "cpu: %s on %u threads", words, pool_threads(backend->pool));
    host->log(host->log_context, LEVEL_INFO, line);
}

static int cpu_backend_create(const struct hearken_plugin_host *host,
                              struct hearken_backend **backend)
{
    const struct choice *choice = choose(host ? host->cpu_mask : NULL);
    struct cpu_backend *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    int result = pool_create(host ? host->threads : 0, &made->pool);
    if (result) {
        free(made);
        return result;
    }
    made->base = (struct hearken_backend){.host = host, .name = "cpu"};
    made->set = choice->set;
    made->blocks = choice->blocks;
    weight_arena_init(&made->weights);
    report_choice(host, made, choice->words);
    *backend = &made->base;
    return 0;
}

static void cpu_backend_destroy(struct hearken_backend *backend)
{
    if (!backend)
        return;
    struct cpu_backend *own = (struct cpu_backend *)backend;
    pool_destroy(own->pool);
    weight_arena_finish(&own->weights);
    free(own);
}

static int cpu_queue_create(struct hearken_backend *backend, struct hearken_queue **queue)
{
    struct cpu_queue *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->base.backend = backend;
    *queue = &made->base;
    return 0;
}

static void cpu_queue_destroy(struct hearken_queue *queue)
{
    if (!queue)
        return;
    pool_leave(cpu_backend(queue)->pool, cpu_caller(queue));
    host_queue_destroy(queue);
}

static int cpu_embed(struct hearken_queue *queue, const struct hearken_embed *arguments)
{
    return host_embed_by(queue, arguments, cpu_tensor_row);
}

/* ---- The plugin ---- */

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(struct hearken_kernels),
    .buffer_create = host_buffer_create,
    .memory_create = cpu_memory_create,
    .buffer_destroy = host_buffer_destroy,
    .write = host_buffer_write,
    .read = host_buffer_read,
    .linear = cpu_linear,
    .convolve = cpu_convolve,
    .layer_norm = cpu_layer_norm,
    .self_attend = cpu_self_attend,
    .attend = cpu_attend,
    .lstm = cpu_lstm,
    .embed = cpu_embed,
    .reorder = host_reorder,
    .log_softmax = cpu_log_softmax,
    .top_k = cpu_top_k,
};

extern const struct hearken_plugin hearken_plugin;

__attribute__((visibility("default"))) const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "cpu",
    .description = "the processor's vector instructions, on all its cores",
    .probe = probe,
    .backend_create = cpu_backend_create,
    .backend_destroy = cpu_backend_destroy,
    .tensor_create = cpu_tensor_create,
    .tensor_destroy = cpu_tensor_destroy,
    .queue_create = cpu_queue_create,
    .queue_destroy = cpu_queue_destroy,
    .kernels = &kernels,
    .copies = HEARKEN_USE_LINEAR | HEARKEN_USE_CONVOLVE,
    .synchronous = true,
};
