// SPDX-License-Identifier: MIT
/*
 * A plugin that times another one: it hands every call on and notes the seconds that each kernel
 * took, by shape, in all threads of the process and by the clock. The table goes to stderr when a
 * queue ends. $HEARKEN_PROFILED is the path of the plugin that does the work. For a plugin whose
 * kernels return before their work is done, the time is that of the calls that wait.
 *
 * Beside the times is what the kernels need, whatever computes them: operations (Mop; a
 * multiplication and an addition are two), of these in functions such as exp (Mfn), and bytes (MB):
 * weights as the model file has them, keys and values of the memory as Q8_0, all else in single
 * precision. If $HEARKEN_PROFILE_LINES is a file, each queue appends a line of JSON with all that.
 *
 *     HEARKEN_PROFILED=build/lib/hearken/cpu.so hearken transcribe --local \
 *         --plugin-dir build/tests/bench --backend profile FILE
 */
#include <dlfcn.h>
#include <errno.h>
#include <hearken/plugin.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_ENTRIES = 96,
    FEW_ROWS = 28, /* up to here the rows are hypotheses, of one speller or of several in a batch;
                      beyond they are steps of sound */
    /*
     * Operations of exp or GELU: argument reduction and a polynomial, ten fused multiply-adds. Of
     * an element of a layer norm: mean, variance, and the result.
     */
    FUNCTION = 20,
    NORM = 8,
};

/* What a call needs. */
struct work {
    double products, functions; /* operations in sums of products, in all else */
    double bytes;
};

struct entry {
    const char *kernel;
    uint32_t inputs, outputs;
    bool few_rows;
    struct work work;
    uint64_t calls;
    double clock, processor; /* seconds */
};

/* A weight of the other plugin. */
struct weight {
    const struct hearken_tensor *tensor;
    uint32_t taps;
    double row_bytes, bytes; /* in the file */
};

struct hearken_backend {
    void *library;
    const struct hearken_plugin *plugin;
    struct hearken_backend *backend;
    pthread_mutex_t lock;
    struct weight *weights; /* [weight_count], guarded by lock */
    size_t weight_count;    /* guarded by lock */
};

struct hearken_queue {
    struct hearken_backend *backend;
    const struct hearken_plugin *plugin;
    struct hearken_queue *queue;
    struct entry entries[MOST_ENTRIES];
    size_t count;
    double clock, processor; /* when the call that runs was made; then what it took */
    double created;
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
    struct entry *added = &queue->entries[queue->count++];
    *added = *wanted;
    added->work = (struct work){0};
    return added;
}

static void end(struct hearken_queue *queue)
{
    queue->clock = seconds_of(CLOCK_MONOTONIC) - queue->clock;
    queue->processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - queue->processor;
}

/* Adds the call that has ended. */
static void note(struct hearken_queue *queue, const struct entry *call)
{
    struct entry *entry = find(queue, call);

    entry->calls++;
    entry->clock += queue->clock;
    entry->processor += queue->processor;
    entry->work.products += call->work.products;
    entry->work.functions += call->work.functions;
    entry->work.bytes += call->work.bytes;
}

/* ---- What a call needs ---- */

static struct weight weight_of(const struct hearken_queue *queue,
                               const struct hearken_tensor *tensor)
{
    struct hearken_backend *backend = queue->backend;
    struct weight found = {0};

    pthread_mutex_lock(&backend->lock);
    for (size_t i = 0; tensor && i < backend->weight_count; i++)
        if (backend->weights[i].tensor == tensor)
            found = backend->weights[i];
    pthread_mutex_unlock(&backend->lock);
    return found;
}

static double count_of(const struct hearken_matrix *x)
{
    return (double)x->rows * x->columns;
}

static double bytes_of(const struct hearken_matrix *x)
{
    return sizeof(float) * count_of(x);
}

/* Keys or values of the memory, as Q8_0. */
static double memory_bytes(const struct hearken_matrix *x)
{
    return count_of(x) * 34 / 32;
}

static double function_operations(double count, enum hearken_activation activation)
{
    return activation == HEARKEN_ACTIVATION_NONE ? 0 : FUNCTION * count;
}

static struct work work_of_linear(const struct hearken_queue *queue, const struct hearken_linear *a)
{
    return (struct work){
        .products = 2 * count_of(&a->in) * a->out.columns,
        .functions = function_operations(count_of(&a->out), a->activation),
        .bytes = weight_of(queue, a->weight).bytes + bytes_of(&a->in) + bytes_of(&a->out) +
                 (a->residual ? bytes_of(a->residual) : 0),
    };
}

static struct work work_of_convolve(const struct hearken_queue *queue,
                                    const struct hearken_convolve *a)
{
    const struct weight weight = weight_of(queue, a->weight);

    return (struct work){
        .products = 2 * count_of(&a->out) * a->in.columns * weight.taps,
        .functions = function_operations(count_of(&a->out), a->activation),
        .bytes = weight.bytes + bytes_of(&a->in) + bytes_of(&a->out) +
                 weight_of(queue, a->positions).row_bytes * a->out.rows,
    };
}

static struct work work_of_layer_norm(const struct hearken_queue *queue,
                                      const struct hearken_layer_norm *a)
{
    (void)queue;
    return (struct work){
        .functions = NORM * count_of(&a->in),
        .bytes = bytes_of(&a->in) + bytes_of(&a->out),
    };
}

/* Of so many pairs of a query and a key. */
static struct work work_of_pairs(double pairs, uint32_t width, uint32_t heads)
{
    return (struct work){.products = 4 * pairs * width, .functions = FUNCTION * pairs * heads};
}

static struct work work_of_self_attend(const struct hearken_queue *queue,
                                       const struct hearken_self_attend *a)
{
    const uint32_t added = a->out.rows / a->sequences, end = a->past + added;
    double pairs = 0;

    (void)queue;
    for (uint32_t i = a->past; i < end; i++) {
        const uint32_t seen = a->chunk ? (i / a->chunk + 1) * a->chunk : end;
        pairs += (double)a->sequences * (seen < end ? seen : end);
    }
    struct work work = work_of_pairs(pairs, a->out.columns, a->heads);
    work.bytes = bytes_of(&a->qkv) + bytes_of(&a->out) +
                 2 * sizeof(float) * (double)a->sequences * a->past * a->out.columns;
    return work;
}

static struct work work_of_attend(const struct hearken_queue *queue, const struct hearken_attend *a)
{
    struct work work =
        work_of_pairs((double)a->query.rows * a->keys.rows, a->query.columns, a->heads);

    (void)queue;
    work.bytes = bytes_of(&a->query) + bytes_of(&a->context) + memory_bytes(&a->keys) +
                 memory_bytes(&a->values) + (a->alignment ? bytes_of(a->alignment) : 0);
    return work;
}

static struct work work_of_lstm(const struct hearken_queue *queue, const struct hearken_lstm *a)
{
    const double width = a->hidden.columns, count = count_of(&a->hidden);

    return (struct work){
        .products = 2 * 4 * width * (count_of(&a->in) + count),
        .functions = 5 * FUNCTION * count, /* three gates, two hyperbolic tangents */
        .bytes = weight_of(queue, a->input_weight).bytes +
                 weight_of(queue, a->hidden_weight).bytes + bytes_of(&a->in) + bytes_of(&a->out) +
                 2 * bytes_of(&a->hidden) + 2 * bytes_of(&a->cell),
    };
}

static struct work work_of_embed(const struct hearken_queue *queue, const struct hearken_embed *a)
{
    const double row =
        weight_of(queue, a->table).row_bytes + weight_of(queue, a->positions).row_bytes;

    return (struct work){.functions = 2 * count_of(&a->out),
                         .bytes = row * a->out.rows + bytes_of(&a->out)};
}

/* ---- Kernels ---- */

static int buffer_create(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer)
{
    begin(queue);
    const int result = queue->plugin->kernels->buffer_create(queue->queue, elements, buffer);
    end(queue);
    note(queue, &(struct entry){.kernel = "buffer_create", .few_rows = true});
    return result;
}

static int memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                         uint32_t columns, struct hearken_buffer **buffer)
{
    begin(queue);
    const int result =
        queue->plugin->kernels->memory_create(queue->queue, kind, rows, columns, buffer);
    end(queue);
    note(queue, &(struct entry){.kernel = "memory_create", .few_rows = true});
    return result;
}

static void buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    queue->plugin->kernels->buffer_destroy(queue->queue, buffer);
}

static int write_matrix(struct hearken_queue *queue, const struct hearken_matrix *to,
                        const float *from)
{
    begin(queue);
    const int result = queue->plugin->kernels->write(queue->queue, to, from);
    end(queue);
    note(queue,
         &(struct entry){.kernel = "write", .few_rows = true, .work.bytes = 2 * bytes_of(to)});
    return result;
}

static int read_matrix(struct hearken_queue *queue, const struct hearken_matrix *from, float *to)
{
    begin(queue);
    const int result = queue->plugin->kernels->read(queue->queue, from, to);
    end(queue);
    note(queue,
         &(struct entry){.kernel = "read", .few_rows = true, .work.bytes = 2 * bytes_of(from)});
    return result;
}

#define FORWARD(kernel_, rows, inputs_, outputs_)                                                  \
    static int kernel_(struct hearken_queue *queue, const struct hearken_##kernel_ *a)             \
    {                                                                                              \
        begin(queue);                                                                              \
        const int result = queue->plugin->kernels->kernel_(queue->queue, a);                       \
        end(queue);                                                                                \
        note(queue, &(struct entry){.kernel = #kernel_,                                            \
                                    .inputs = (inputs_),                                           \
                                    .outputs = (outputs_),                                         \
                                    .few_rows = (rows) <= FEW_ROWS,                                \
                                    .work = work_of_##kernel_(queue, a)});                         \
        return result;                                                                             \
    }

FORWARD(linear, a->in.rows, a->in.columns, a->out.columns)
FORWARD(convolve, a->out.rows, a->in.columns, a->out.columns)
FORWARD(layer_norm, a->in.rows, a->in.columns, a->out.columns)
FORWARD(self_attend, a->out.rows, a->out.columns, a->out.columns)
FORWARD(attend, a->query.rows, a->query.columns, a->context.columns)
FORWARD(lstm, a->in.rows, a->in.columns, a->out.columns)
FORWARD(embed, a->out.rows, 0, a->out.columns)

/* Only the rows that come from another one are moved. */
static int reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                   const uint32_t *parents, uint32_t count)
{
    double moved = 0;

    for (uint32_t i = 0; i < count; i++)
        moved += parents[i] != i;
    begin(queue);
    const int result = queue->plugin->kernels->reorder(queue->queue, state, parents, count);
    end(queue);
    note(queue, &(struct entry){.kernel = "reorder",
                                .few_rows = true,
                                .work.bytes = 2 * sizeof(float) * moved * state->columns});
    return result;
}

static int log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                       const struct hearken_tensor *mask)
{
    begin(queue);
    const int result = queue->plugin->kernels->log_softmax(queue->queue, x, mask);
    end(queue);
    /* The mask, the maximum, the sum and the difference are one operation each. */
    note(queue, &(struct entry){.kernel = "log_softmax",
                                .inputs = x->columns,
                                .outputs = x->columns,
                                .few_rows = x->rows <= FEW_ROWS,
                                .work.functions = (FUNCTION + 4) * count_of(x),
                                .work.bytes = 2 * bytes_of(x)});
    return result;
}

static int top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
                 float *values, uint32_t *columns)
{
    begin(queue);
    const int result = queue->plugin->kernels->top_k(queue->queue, x, count, values, columns);
    end(queue);
    note(queue, &(struct entry){.kernel = "top_k",
                                .inputs = x->columns,
                                .outputs = count,
                                .few_rows = x->rows <= FEW_ROWS,
                                .work.functions = count_of(x),
                                .work.bytes = bytes_of(x)});
    return result;
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
    pthread_mutex_destroy(&backend->lock);
    free(backend->weights);
    free(backend);
}

static int backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    struct hearken_backend *made = calloc(1, sizeof(*made));
    int result = made ? open_profiled(made) : -ENOMEM;

    if (made)
        pthread_mutex_init(&made->lock, NULL);
    if (result == 0)
        result = made->plugin->backend_create(host, &made->backend);
    if (result == 0)
        *backend = made;
    else if (made)
        backend_destroy(made);
    return result;
}

static double row_bytes(const struct hearken_weights *weights)
{
    static const double bytes[] = {[HEARKEN_TENSOR_F32] = 4,
                                   [HEARKEN_TENSOR_F16] = 2,
                                   [HEARKEN_TENSOR_Q8_0] = 34. / 32,
                                   [HEARKEN_TENSOR_Q5_0] = 22. / 32};

    return bytes[weights->type] * weights->columns * weights->taps;
}

static int add_weight(struct hearken_backend *backend, const struct hearken_tensor *tensor,
                      const struct hearken_weights *weights)
{
    pthread_mutex_lock(&backend->lock);
    struct weight *grown =
        realloc(backend->weights, (backend->weight_count + 1) * sizeof(*backend->weights));
    if (grown) {
        backend->weights = grown;
        grown[backend->weight_count++] = (struct weight){tensor, weights->taps, row_bytes(weights),
                                                         row_bytes(weights) * weights->rows};
    }
    pthread_mutex_unlock(&backend->lock);
    return grown ? 0 : -ENOMEM;
}

static int tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                         struct hearken_tensor **tensor)
{
    int result = backend->plugin->tensor_create(backend->backend, weights, tensor);

    if (result == 0 && (result = add_weight(backend, *tensor, weights)) < 0)
        backend->plugin->tensor_destroy(backend->backend, *tensor);
    return result;
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
        made->backend = backend;
        made->plugin = backend->plugin;
        made->created = seconds_of(CLOCK_MONOTONIC);
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

static void print(const struct hearken_queue *queue)
{
    struct entry all = {0};

    fprintf(stderr, "%-14s %8s %12s %8s %10s %10s %10s %8s %8s\n", "kernel", "rows", "shape",
            "calls", "ms", "cpu ms", "Mop", "Mfn", "MB");
    for (size_t i = 0; i < queue->count; i++) {
        const struct entry *entry = &queue->entries[i];
        const struct work *work = &entry->work;
        all.clock += entry->clock;
        all.processor += entry->processor;
        all.work.products += work->products;
        all.work.functions += work->functions;
        all.work.bytes += work->bytes;
        fprintf(stderr,
                "%-14s %8s %5" PRIu32 "→%-6" PRIu32 " %8" PRIu64 " %10.2f %10.2f %10.1f %8.1f "
                "%8.1f\n",
                entry->kernel, entry->few_rows ? "few" : "many", entry->inputs, entry->outputs,
                entry->calls, 1e3 * entry->clock, 1e3 * entry->processor,
                1e-6 * (work->products + work->functions), 1e-6 * work->functions,
                1e-6 * work->bytes);
    }
    fprintf(stderr, "%-14s %8s %12s %8s %10.2f %10.2f %10.1f %8.1f %8.1f\n", "all", "", "", "",
            1e3 * all.clock, 1e3 * all.processor, 1e-6 * (all.work.products + all.work.functions),
            1e-6 * all.work.functions, 1e-6 * all.work.bytes);
}

/* One line, with the seconds that the queue was there. */
static void append_line(const struct hearken_queue *queue, const char *path)
{
    FILE *file = fopen(path, "a");

    if (!file) {
        perror(path);
        return;
    }
    fprintf(file, "{\"seconds\": %.9f, \"entries\": [",
            seconds_of(CLOCK_MONOTONIC) - queue->created);
    for (size_t i = 0; i < queue->count; i++) {
        const struct entry *entry = &queue->entries[i];
        fprintf(file,
                "%s{\"kernel\": \"%s\", \"few_rows\": %s, \"inputs\": %" PRIu32
                ", \"outputs\": %" PRIu32 ", \"calls\": %" PRIu64
                ", \"clock\": %.9f, \"processor\": %.9f, \"products\": %.0f, \"functions\": %.0f, "
                "\"bytes\": %.0f}",
                i ? ", " : "", entry->kernel, entry->few_rows ? "true" : "false", entry->inputs,
                entry->outputs, entry->calls, entry->clock, entry->processor, entry->work.products,
                entry->work.functions, entry->work.bytes);
    }
    fputs("]}\n", file);
    fclose(file);
}

static void queue_destroy(struct hearken_queue *queue)
{
    const char *path = getenv("HEARKEN_PROFILE_LINES");

    if (queue->count > 0) {
        qsort(queue->entries, queue->count, sizeof(queue->entries[0]), by_time);
        print(queue);
        if (path)
            append_line(queue, path);
    }
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
