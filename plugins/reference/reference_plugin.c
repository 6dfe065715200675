// SPDX-License-Identifier: MIT
/*
 * The reference backend: the kernels as plugin.h states them, in plain C, on one thread. It runs on
 * every processor, is what other plugins are tested against, and what they may start from.
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
    .buffer_create = buffer_create,
    .memory_create = memory_create,
    .buffer_destroy = buffer_destroy,
    .write = buffer_write,
    .read = buffer_read,
    .linear = linear,
    .convolve = convolve,
    .layer_norm = layer_norm,
    .self_attend = self_attend,
    .attend = attend,
    .lstm = lstm,
    .embed = embed,
    .reorder = reorder,
    .log_softmax = log_softmax,
    .top_k = top_k,
};

extern const struct hearken_plugin hearken_plugin;

__attribute__((visibility("default"))) const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "reference",
    .description = "plain C on one thread: the kernels as their formulas say",
    .probe = probe,
    .backend_create = backend_create,
    .backend_destroy = backend_destroy,
    .tensor_create = tensor_create,
    .tensor_destroy = tensor_destroy,
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .kernels = &kernels,
};
