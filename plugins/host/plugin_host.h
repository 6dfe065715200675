// SPDX-License-Identifier: MIT
/* Finding, checking, probing and opening compute plugins. */
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_HOST_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_HOST_H

#include "plugins/host/plugin_library.h"

#include <hearken/hearken.h>
#include <hearken/plugin.h>
#include <stdbool.h>

/* The chosen plugin with its open backend. Threads may share it as far as plugin.h allows. */
struct compute {
    const struct hearken_plugin *plugin;
    const struct hearken_kernels *kernels;
    struct hearken_backend *backend;
    struct hearken_plugin_host host;
    char *cpu_mask;
    struct plugin_library library;
    hearken_log_callback *log;
    void *log_context;
};

/* A caller's options, or the defaults for NULL. Errors: -EINVAL for a size that is not known. */
int backend_options_read(struct hearken_backend_options *own,
                         const struct hearken_backend_options *options,
                         struct hearken_error *error);

/*
 * Opens the plugin that `options` name, or else the one with the highest score (NULL: automatic).
 * Errors: -ENODEV if it does not exist or cannot run here (with its reason), the system's for the
 * directory, -ENOMEM, or the plugin's own.
 */
int compute_open(const struct hearken_backend_options *options, struct compute **compute,
                 struct hearken_error *error);

/* All tensors and queues must have been destroyed before. */
void compute_destroy(struct compute *compute);

/* ---- The plugin's own functions (plugin.h) ---- */

static inline const char *compute_name(const struct compute *compute)
{
    return compute->plugin->name;
}

/* Whether the backend copies the weights that it uses so; else they must stay in memory. */
static inline bool compute_copies(const struct compute *compute, unsigned use)
{
    return compute->plugin->copies & use;
}

/* How many queues can compute at the same time, each on a thread of its caller; 1 if that gains
 * nothing. */
unsigned compute_parallel_queues(const struct compute *compute);

static inline int compute_tensor_create(const struct compute *compute,
                                        const struct hearken_weights *weights,
                                        struct hearken_tensor **tensor)
{
    return compute->plugin->tensor_create(compute->backend, weights, tensor);
}

static inline void compute_tensor_destroy(const struct compute *compute,
                                          struct hearken_tensor *tensor)
{
    compute->plugin->tensor_destroy(compute->backend, tensor);
}

static inline int compute_queue_create(const struct compute *compute, struct hearken_queue **queue)
{
    return compute->plugin->queue_create(compute->backend, queue);
}

static inline void compute_queue_destroy(const struct compute *compute, struct hearken_queue *queue)
{
    compute->plugin->queue_destroy(queue);
}

#endif
