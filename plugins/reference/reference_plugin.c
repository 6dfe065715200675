// SPDX-License-Identifier: MIT
/*
 * The reference backend: the kernels of plugin.h in plain C, on one thread. It runs on every
 * processor. Other plugins are tested against it and may be derived from it.
 */
#include "plugins/reference/reference.h"

#include <stdio.h>

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    result->score = 1;
    snprintf(result->reason, sizeof(result->reason), "plain C, runs everywhere");
}

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(struct hearken_kernels),
    .buffer_create = host_buffer_create,
    .memory_create = host_memory_create,
    .buffer_destroy = host_buffer_destroy,
    .write = host_buffer_write,
    .read = host_buffer_read,
    .linear = reference_linear,
    .convolve = reference_convolve,
    .layer_norm = reference_layer_norm,
    .self_attend = reference_self_attend,
    .attend = reference_attend,
    .lstm = reference_lstm,
    .embed = host_embed,
    .reorder = host_reorder,
    .log_softmax = host_log_softmax,
    .top_k = host_top_k,
};

extern const struct hearken_plugin hearken_plugin;

__attribute__((visibility("default"))) const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "reference",
    .description = "plain C on one thread: the kernels as their formulas say",
    .probe = probe,
    .backend_create = host_backend_create,
    .backend_destroy = host_backend_destroy,
    .tensor_create = host_tensor_create,
    .tensor_destroy = host_tensor_destroy,
    .queue_create = host_queue_create,
    .queue_destroy = host_queue_destroy,
    .kernels = &kernels,
    .synchronous = true,
};
