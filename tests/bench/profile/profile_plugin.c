// SPDX-License-Identifier: MIT
/*
 * A plugin that times another one: it hands every call on and notes the seconds that each kernel
 * took, by shape, in all threads of the process and by the clock. The table goes to stderr when a
 * queue ends. $HEARKEN_PROFILED is the path of the plugin that does the work. For a plugin whose
 * kernels return before their work is done, the time is that of the calls that wait.
 *
 *     HEARKEN_PROFILED=build/lib/hearken/cpu.so hearken transcribe --local \
 *         --plugin-dir build/tests/bench --backend profile FILE
 */
#include <dlfcn.h>
#include <errno.h>
#include <hearken/plugin.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_ENTRIES = 96,
    FEW_ROWS = 16, /* up to here the rows are hypotheses, beyond they are steps of sound */
};

struct entry {
    const char *kernel;
    uint32_t inputs, outputs;
    bool few_rows;
    uint64_t calls;
    double clock, processor; /* seconds */
};

struct hearken_backend {
    void *library;
    const struct hearken_plugin *plugin;
    struct hearken_backend *backend;
};

struct hearken_queue {
    const struct hearken_plugin *plugin;
    struct hearken_queue *queue;
    struct entry entries[MOST_ENTRIES];
    size_t count;
    double clock, processor; /* when the call that runs was made */
};

static double seconds_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void begin(struct hearken_queue *queue)
{
    queue->clock = seconds_of(CLOCK_MONOTONIC);
    queue->processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

static struct entry *find(struct hearken_queue *queue, const struct entry *wanted)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct entry *entry = &queue->entries[i];
        if (entry->kernel == wanted->kernel && entry->inputs == wanted->inputs &&
            entry->outputs == wanted->outputs && entry->few_rows == wanted->few_rows)
            return entry;
    }
    if (queue->count == MOST_ENTRIES)
        return &queue->entries[MOST_ENTRIES - 1];
    queue->entries[queue->count] = *wanted;
    return &queue->entries[queue->count++];
}

static int end(struct hearken_queue *queue, const char *kernel, uint32_t rows, uint32_t inputs,
               uint32_t outputs, int result)
{
    const double clock = seconds_of(CLOCK_MONOTONIC) - queue->clock;
    const double processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - queue->processor;
    struct entry *entry = find(queue, &(struct entry){.kernel = kernel,
                                                      .inputs = inputs,
                                                      .outputs = outputs,
                                                      .few_rows = rows <= FEW_ROWS});

    entry->calls++;
    entry->clock += clock;
    entry->processor += processor;
    return result;
}

/* ---- Kernels ---- */

static int buffer_create(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer)
{
    begin(queue);
    return end(queue, "buffer_create", 0, 0, 0,
               queue->plugin->kernels->buffer_create(queue->queue, elements, buffer));
}

static int memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                         uint32_t columns, struct hearken_buffer **buffer)
{
    begin(queue);
    return end(queue, "memory_create", 0, 0, 0,
               queue->plugin->kernels->memory_create(queue->queue, kind, rows, columns, buffer));
}

static void buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    queue->plugin->kernels->buffer_destroy(queue->queue, buffer);
}

static int write_matrix(struct hearken_queue *queue, const struct hearken_matrix *to,
                        const float *from)
{
    begin(queue);
    return end(queue, "write", 0, 0, 0, queue->plugin->kernels->write(queue->queue, to, from));
}

static int read_matrix(struct hearken_queue *queue, const struct hearken_matrix *from, float *to)
{
    begin(queue);
    return end(queue, "read", 0, 0, 0, queue->plugin->kernels->read(queue->queue, from, to));
}

#define FORWARD(kernel, rows, inputs, outputs)                                                     \
    static int kernel(struct hearken_queue *queue, const struct hearken_##kernel *a)               \
    {                                                                                              \
        begin(queue);                                                                              \
        return end(queue, #kernel, (rows), (inputs), (outputs),                                    \
                   queue->plugin->kernels->kernel(queue->queue, a));                               \
    }

FORWARD(linear, a->in.rows, a->in.columns, a->out.columns)
FORWARD(convolve, a->out.rows, a->in.columns, a->out.columns)
FORWARD(layer_norm, a->in.rows, a->in.columns, a->out.columns)
FORWARD(self_attend, a->out.rows, a->out.columns, a->out.columns)
FORWARD(attend, a->query.rows, a->query.columns, a->context.columns)
FORWARD(lstm, a->in.rows, a->in.columns, a->out.columns)
FORWARD(embed, a->out.rows, 0, a->out.columns)

static int reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                   const uint32_t *parents, uint32_t count)
{
    begin(queue);
    return end(queue, "reorder", 0, 0, 0,
               queue->plugin->kernels->reorder(queue->queue, state, parents, count));
}

static int log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                       const struct hearken_tensor *mask)
{
    begin(queue);
    return end(queue, "log_softmax", x->rows, x->columns, x->columns,
               queue->plugin->kernels->log_softmax(queue->queue, x, mask));
}

static int top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
                 float *values, uint32_t *columns)
{
    begin(queue);
    return end(queue, "top_k", x->rows, x->columns, count,
               queue->plugin->kernels->top_k(queue->queue, x, count, values, columns));
}

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(kernels),
    .buffer_create = buffer_create,
    .memory_create = memory_create,
    .buffer_destroy = buffer_destroy,
    .write = write_matrix,
    .read = read_matrix,
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

/* ---- Backend and queues ---- */

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    const char *path = getenv("HEARKEN_PROFILED");

    (void)host;
    result->score = path ? 1 : 0;
    snprintf(result->reason, sizeof(result->reason), "%s",
             path ? path : "$HEARKEN_PROFILED does not name a plugin");
}

static int open_profiled(struct hearken_backend *backend)
{
    const char *path = getenv("HEARKEN_PROFILED");

    backend->library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!backend->library)
        return -ENOENT;
    backend->plugin = dlsym(backend->library, HEARKEN_PLUGIN_SYMBOL);
    return backend->plugin && backend->plugin->abi_version == HEARKEN_PLUGIN_ABI ? 0 : -EINVAL;
}

static void backend_destroy(struct hearken_backend *backend)
{
    if (backend->backend)
        backend->plugin->backend_destroy(backend->backend);
    if (backend->library)
        dlclose(backend->library);
    free(backend);
}

static int backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    struct hearken_backend *made = calloc(1, sizeof(*made));
    int result = made ? open_profiled(made) : -ENOMEM;

    if (result == 0)
        result = made->plugin->backend_create(host, &made->backend);
    if (result == 0)
        *backend = made;
    else if (made)
        backend_destroy(made);
    return result;
}

static int tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                         struct hearken_tensor **tensor)
{
    return backend->plugin->tensor_create(backend->backend, weights, tensor);
}

static void tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor)
{
    backend->plugin->tensor_destroy(backend->backend, tensor);
}

static int queue_create(struct hearken_backend *backend, struct hearken_queue **queue)
{
    struct hearken_queue *made = calloc(1, sizeof(*made));
    int result = made ? 0 : -ENOMEM;

    if (result == 0) {
        made->plugin = backend->plugin;
        result = made->plugin->queue_create(backend->backend, &made->queue);
    }
    if (result == 0)
        *queue = made;
    else
        free(made);
    return result;
}

static int by_time(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    return (a->clock < b->clock) - (a->clock > b->clock);
}

static void print(struct hearken_queue *queue)
{
    double clock = 0, processor = 0;

    qsort(queue->entries, queue->count, sizeof(queue->entries[0]), by_time);
    fprintf(stderr, "%-14s %8s %12s %8s %10s %10s\n", "kernel", "rows", "shape", "calls", "ms",
            "cpu ms");
    for (size_t i = 0; i < queue->count; i++) {
        const struct entry *entry = &queue->entries[i];
        clock += entry->clock;
        processor += entry->processor;
        fprintf(stderr, "%-14s %8s %5" PRIu32 "→%-6" PRIu32 " %8" PRIu64 " %10.2f %10.2f\n",
                entry->kernel, entry->few_rows ? "few" : "many", entry->inputs, entry->outputs,
                entry->calls, 1e3 * entry->clock, 1e3 * entry->processor);
    }
    fprintf(stderr, "%-14s %8s %12s %8s %10.2f %10.2f\n", "all", "", "", "", 1e3 * clock,
            1e3 * processor);
}

static void queue_destroy(struct hearken_queue *queue)
{
    if (queue->count > 0)
        print(queue);
    queue->plugin->queue_destroy(queue->queue);
    free(queue);
}

extern const struct hearken_plugin hearken_plugin;

__attribute__((visibility("default"))) const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(hearken_plugin),
    .name = "profile",
    .description = "times the kernels of another plugin",
    .probe = probe,
    .backend_create = backend_create,
    .backend_destroy = backend_destroy,
    .tensor_create = tensor_create,
    .tensor_destroy = tensor_destroy,
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .kernels = &kernels,
};
