// SPDX-License-Identifier: MIT
#include "models/network/network.h"

#include "include/internal/half.h"
#include "models/checkpoint/model_open.h"
#include "models/network/step_scheduler.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAPS 3u

/*
 * How long a step of a speller waits for others, nanoseconds: a batch of several takes some
 * milliseconds, and those in it step next when it ends.
 */
#define PATIENCE      INT64_C(8000000)
#define LIVE_PATIENCE INT64_C(2000000)

/* `result`: the first error, as in a pass. */
struct loader {
    struct network *network;
    struct hearken_error *error;
    int result;
};

static void register_tensor(struct loader *l, const struct hearken_weights *weights,
                            const char *name, const struct hearken_tensor **tensor)
{
    struct network *n = l->network;
    struct hearken_tensor *made;
    if (n->tensor_count == n->tensor_room) {
        size_t room = n->tensor_room ? 2 * n->tensor_room : 64;
        void *grown = realloc(n->tensors, room * sizeof(*n->tensors));
        if (!grown) {
            l->result = hearken_fail(l->error, -ENOMEM, "out of memory");
            return;
        }
        n->tensors = grown;
        n->tensor_room = room;
    }
    l->result = compute_tensor_create(n->compute, weights, &made);
    if (l->result < 0) {
        hearken_fail(l->error, l->result, "backend '%s' rejected tensor '%s': %s",
                     compute_name(n->compute), name, strerror(-l->result));
        return;
    }
    n->tensors[n->tensor_count++] = made;
    *tensor = made;
}

static void describe_shape(char *text, size_t size, const uint64_t *shape, uint32_t rank)
{
    size_t length = 0;
    for (uint32_t i = rank; i-- > 0 && length < size;)
        length += (size_t)snprintf(text + length, size - length, "%" PRIu64 "%s", shape[i],
                                   i ? " x " : "");
}

/* Finds a tensor of exactly this shape (innermost first, as in the file). NULL after an error. */
static const struct gguf_tensor *find(struct loader *l, const char *name, uint64_t inner,
                                      uint64_t middle, uint64_t outer)
{
    if (l->result < 0)
        return NULL;
    const struct gguf_tensor *tensor = gguf_find_tensor(l->network->gguf, name);
    if (!tensor) {
        l->result = hearken_fail(l->error, -EINVAL, "tensor '%s' is missing", name);
        return NULL;
    }
    const uint64_t expected[GGUF_MAX_RANK] = {inner, middle, outer, 1};
    if (memcmp(tensor->shape, expected, sizeof(expected)) != 0) {
        char is[96], should[96];
        uint32_t rank = outer > 1 ? 3 : middle > 1 ? 2 : 1;
        describe_shape(is, sizeof(is), tensor->shape, tensor->rank);
        describe_shape(should, sizeof(should), expected, rank > tensor->rank ? rank : tensor->rank);
        l->result =
            hearken_fail(l->error, -EINVAL, "tensor '%s' is %s, expected %s", name, is, should);
        return NULL;
    }
    return tensor;
}

/* Allocates zeros, owned by the network. NULL after an error. */
static void *make_values(struct loader *l, size_t count, size_t size)
{
    struct network *n = l->network;
    if (l->result < 0)
        return NULL;
    if (n->generated_count == n->generated_room) {
        size_t room = n->generated_room ? 2 * n->generated_room : 8;
        void *grown = realloc(n->generated, room * sizeof(*n->generated));
        if (!grown)
            goto no_memory;
        n->generated = grown;
        n->generated_room = room;
    }
    void *values = calloc(count, size);
    if (!values)
        goto no_memory;
    n->generated[n->generated_count++] = values;
    return values;
no_memory:
    l->result = hearken_fail(l->error, -ENOMEM, "out of memory");
    return NULL;
}

static enum hearken_tensor_type plugin_type(enum gguf_tensor_type type)
{
    switch (type) {
    case GGUF_TENSOR_F16:
        return HEARKEN_TENSOR_F16;
    case GGUF_TENSOR_Q5_0:
        return HEARKEN_TENSOR_Q5_0;
    case GGUF_TENSOR_Q8_0:
        return HEARKEN_TENSOR_Q8_0;
    case GGUF_TENSOR_F32:
    case GGUF_TENSOR_I32:
        break;
    }
    return HEARKEN_TENSOR_F32;
}

static bool is_quantized(enum gguf_tensor_type type)
{
    return type == GGUF_TENSOR_Q5_0 || type == GGUF_TENSOR_Q8_0;
}

static const struct hearken_tensor *load(struct loader *l, const char *name, uint32_t use,
                                         uint32_t rows, uint32_t columns, uint32_t taps)
{
    const struct gguf_tensor *tensor =
        taps > 1 ? find(l, name, taps, columns, rows) : find(l, name, columns, rows, 1);
    if (!tensor)
        return NULL;
    bool only_float = use == HEARKEN_USE_VECTOR;
    bool no_blocks = only_float || taps > 1;
    if (tensor->type == GGUF_TENSOR_I32 || (only_float && tensor->type != GGUF_TENSOR_F32) ||
        (no_blocks && is_quantized(tensor->type))) {
        l->result = hearken_fail(l->error, -EINVAL, "tensor '%s' is %s, expected %s", name,
                                 gguf_tensor_type_name(tensor->type),
                                 only_float  ? "F32"
                                 : no_blocks ? "F32 or F16"
                                             : "F32, F16, Q8_0 or Q5_0");
        return NULL;
    }
    const struct hearken_weights weights = {
        plugin_type(tensor->type), use, rows, columns, taps, tensor->data};
    const struct hearken_tensor *made = NULL;
    register_tensor(l, &weights, name, &made);
    if (l->result == 0 && compute_copies(l->network->compute, use))
        gguf_release(l->network->gguf, tensor);
    return made;
}

/* ---- Names: "listener.block.%u." and a part, then ".weight" and ".bias" ---- */

struct name_prefix {
    char prefix[64];
};

HEARKEN_PRINTF(1, 2) static struct name_prefix name_prefix(const char *format, ...)
{
    struct name_prefix p;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p.prefix, sizeof(p.prefix), format, arguments);
    va_end(arguments);
    return p;
}

static const struct hearken_tensor *load_part(struct loader *l, const struct name_prefix *at,
                                              const char *part, const char *kind, uint32_t use,
                                              uint32_t rows, uint32_t columns, uint32_t taps)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s.%s", at->prefix, part, kind);
    return load(l, name, use, rows, columns, taps);
}

static struct affine load_affine(struct loader *l, const struct name_prefix *at, const char *part,
                                 uint32_t outputs, uint32_t inputs)
{
    return (struct affine){
        .weight = load_part(l, at, part, "weight", HEARKEN_USE_LINEAR, outputs, inputs, 1),
        .bias = load_part(l, at, part, "bias", HEARKEN_USE_VECTOR, 1, outputs, 1),
        .inputs = inputs,
        .outputs = outputs,
    };
}

static struct affine load_convolution(struct loader *l, const char *part, uint32_t outputs,
                                      uint32_t inputs)
{
    const struct name_prefix at = name_prefix("listener.");
    return (struct affine){
        .weight = load_part(l, &at, part, "weight", HEARKEN_USE_CONVOLVE, outputs, inputs, TAPS),
        .bias = load_part(l, &at, part, "bias", HEARKEN_USE_VECTOR, 1, outputs, 1),
        .inputs = inputs,
        .outputs = outputs,
    };
}

static struct norm load_norm(struct loader *l, const struct name_prefix *at, const char *part,
                             uint32_t width)
{
    return (struct norm){
        .scale = load_part(l, at, part, "weight", HEARKEN_USE_VECTOR, 1, width, 1),
        .shift = load_part(l, at, part, "bias", HEARKEN_USE_VECTOR, 1, width, 1),
    };
}

/* ---- Generated tensors ---- */

static int add_suppressed(const struct network *network, const char *key, float *mask,
                          struct hearken_error *error)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    int result = parameters_read_tokens(network->gguf, key, network->vocabulary.count, &tokens,
                                        &count, error);
    for (size_t i = 0; i < count; i++)
        mask[tokens[i]] = -INFINITY;
    free(tokens);
    return result;
}

int network_fill_mask(const struct network *network, enum text_position position, bool own,
                      bool blank, const uint8_t *listed, float *mask, struct hearken_error *error)
{
    const struct vocabulary *v = &network->vocabulary;
    int result = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        bool fits = position == AFTER_WORD ? vocabulary_follows_word(v, i) : !v->tokens[i].control;
        bool forbidden = (listed && listed[i]) || !fits;
        mask[i] = forbidden && i != network->parameters.speller.end ? -INFINITY : 0;
    }
    if (own)
        result = add_suppressed(network, "hearken.speller.suppress", mask, error);
    if (result == 0 && position == TEXT_START && !blank)
        result = add_suppressed(network, "hearken.speller.suppress_at_begin", mask, error);
    return result;
}

static void store_number(void *table, enum hearken_tensor_type type, size_t at, float number)
{
    if (type == HEARKEN_TENSOR_F16)
        ((uint16_t *)table)[at] = half_from_float(number);
    else
        ((float *)table)[at] = number;
}

/* p[t, i] = sin(t · f_i), p[t, width / 2 + i] = cos(t · f_i), f_i = 10000^(-i / (width / 2 - 1)) */
static const struct hearken_tensor *make_sinusoids(struct loader *l, uint32_t positions,
                                                   uint32_t width, bool half_precision)
{
    enum hearken_tensor_type type = half_precision ? HEARKEN_TENSOR_F16 : HEARKEN_TENSOR_F32;
    void *table = make_values(l, (size_t)positions * width,
                              half_precision ? sizeof(uint16_t) : sizeof(float));
    if (!table)
        return NULL;
    uint32_t half = width / 2;
    /* Single precision steps, as in the trainer: parity requires the same rounding. */
    float increment = (float)(log(10000) / (half - 1));
    for (uint32_t t = 0; t < positions; t++)
        for (uint32_t i = 0; i < half; i++) {
            float angle = (float)t * expf(-increment * (float)i);
            store_number(table, type, (size_t)t * width + i, sinf(angle));
            store_number(table, type, (size_t)t * width + half + i, cosf(angle));
        }
    const struct hearken_weights weights = {type, HEARKEN_USE_EMBED, positions, width, 1, table};
    const struct hearken_tensor *made = NULL;
    register_tensor(l, &weights, "listener positions", &made);
    return made;
}

/* The mask of a position with the suppressed tokens of the model file. */
static const struct hearken_tensor *make_mask(struct loader *l, enum text_position position)
{
    const struct network *n = l->network;
    float *mask = make_values(l, n->vocabulary.count, sizeof(*mask));
    if (!mask)
        return NULL;
    l->result = network_fill_mask(n, position, true, false, NULL, mask, l->error);
    const struct hearken_weights weights = {
        HEARKEN_TENSOR_F32, HEARKEN_USE_VECTOR, 1, n->vocabulary.count, 1, mask};
    const struct hearken_tensor *made = NULL;
    if (l->result == 0)
        register_tensor(l, &weights, "suppressed tokens", &made);
    return made;
}

/* ---- Parts of the network ---- */

static void load_features(struct loader *l)
{
    struct network *n = l->network;
    const struct feature_parameters *f = &n->parameters.features;
    const struct gguf_tensor *window = find(l, "features.window", f->fft, 1, 1);
    const struct gguf_tensor *filters = find(l, "features.mel_filters", f->fft / 2 + 1, f->mels, 1);
    if (!window || !filters)
        return;
    if (window->type != GGUF_TENSOR_F32 || filters->type != GGUF_TENSOR_F32) {
        l->result = hearken_fail(
            l->error, -EINVAL, "features.window is %s and features.mel_filters %s, expected F32",
            gguf_tensor_type_name(window->type), gguf_tensor_type_name(filters->type));
        return;
    }
    n->window = window->data;
    n->mel_filters = filters->data;
}

static void load_listener_block(struct loader *l, struct listener_block *b, uint32_t index)
{
    const struct listener_parameters *p = &l->network->parameters.listener;
    const struct name_prefix at = name_prefix("listener.block.%" PRIu32 ".", index);
    *b = (struct listener_block){
        .attention_norm = load_norm(l, &at, "attention_norm", p->width),
        .qkv = load_affine(l, &at, "qkv", 3 * p->width, p->width),
        .attention_out = load_affine(l, &at, "attention_out", p->width, p->width),
        .mlp_norm = load_norm(l, &at, "mlp_norm", p->width),
        .mlp_up = load_affine(l, &at, "mlp_up", p->mlp, p->width),
        .mlp_down = load_affine(l, &at, "mlp_down", p->width, p->mlp),
    };
}

static void load_listener(struct loader *l)
{
    struct network *n = l->network;
    const struct listener_parameters *p = &n->parameters.listener;
    struct listener_weights *w = &n->listener;
    const struct name_prefix at = name_prefix("listener.");
    w->blocks = calloc(p->layers, sizeof(*w->blocks));
    if (!w->blocks) {
        l->result = hearken_fail(l->error, -ENOMEM, "out of memory");
        return;
    }
    w->conv1 = load_convolution(l, "conv1", p->width, n->parameters.features.mels);
    w->conv2 = load_convolution(l, "conv2", p->width, p->width);
    w->positions = make_sinusoids(l, p->positions, p->width, p->half_positions);
    for (uint32_t i = 0; i < p->layers; i++)
        load_listener_block(l, &w->blocks[i], i);
    w->norm = load_norm(l, &at, "norm", p->width);
    if (p->pyramid > 1)
        w->pyramid = load_affine(l, &at, "pyramid", p->memory_width, p->pyramid * p->width);
}

static void load_attention(struct loader *l, const struct name_prefix *at,
                           struct attention_weights *a)
{
    uint32_t width = l->network->parameters.speller.width;
    uint32_t memory_width = l->network->parameters.listener.memory_width;
    *a = (struct attention_weights){
        .norm = load_norm(l, at, "attention_norm", width),
        .query = load_affine(l, at, "attention_query", width, width),
        .key = load_affine(l, at, "attention_key", width, memory_width),
        .value = load_affine(l, at, "attention_value", width, memory_width),
        .out = load_affine(l, at, "attention_out", width, width),
    };
}

static void load_recurrent(struct loader *l, const struct name_prefix *at,
                           struct recurrent_weights *r)
{
    uint32_t width = l->network->parameters.speller.width;
    *r = (struct recurrent_weights){
        .norm = load_norm(l, at, "lstm_norm", width),
        .input = load_affine(l, at, "lstm_input", 4 * width, width),
        .hidden = load_affine(l, at, "lstm_hidden", 4 * width, width),
    };
}

static void load_transformer(struct loader *l, const struct name_prefix *at,
                             struct transformer_weights *t)
{
    const struct speller_parameters *p = &l->network->parameters.speller;
    *t = (struct transformer_weights){
        .self_norm = load_norm(l, at, "self_norm", p->width),
        .self_qkv = load_affine(l, at, "self_qkv", 3 * p->width, p->width),
        .self_out = load_affine(l, at, "self_out", p->width, p->width),
    };
}

static void load_mlp(struct loader *l, const struct name_prefix *at, struct mlp_weights *m)
{
    const struct speller_parameters *p = &l->network->parameters.speller;
    *m = (struct mlp_weights){
        .norm = load_norm(l, at, "mlp_norm", p->width),
        .up = load_affine(l, at, "mlp_up", p->mlp, p->width),
        .down = load_affine(l, at, "mlp_down", p->width, p->mlp),
    };
}

static void load_speller_ends(struct loader *l)
{
    const struct speller_parameters *p = &l->network->parameters.speller;
    struct speller_weights *w = &l->network->speller;
    const struct name_prefix at = name_prefix("speller.");
    w->embedding = load(l, "speller.embedding.weight", HEARKEN_USE_EMBED | HEARKEN_USE_LINEAR,
                        p->vocabulary, p->width, 1);
    w->norm = load_norm(l, &at, "norm", p->width);
    w->logits = (struct affine){w->embedding, NULL, p->width, p->vocabulary};
    if (p->kind == SPELLER_RECURRENT) {
        w->projection = load_affine(l, &at, "projection", p->width, p->width);
        w->logits.bias = load(l, "speller.bias", HEARKEN_USE_VECTOR, 1, p->vocabulary, 1);
    } else {
        w->positions = load(l, "speller.positions", HEARKEN_USE_EMBED, p->positions, p->width, 1);
    }
    w->mask = make_mask(l, WITHIN_TEXT);
    w->first_mask = make_mask(l, TEXT_START);
    w->next_mask = make_mask(l, AFTER_WORD);
}

static void load_speller(struct loader *l)
{
    const struct speller_parameters *p = &l->network->parameters.speller;
    struct speller_weights *w = &l->network->speller;
    w->layers = calloc(p->layers, sizeof(*w->layers));
    if (!w->layers) {
        l->result = hearken_fail(l->error, -ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < p->layers; i++) {
        const struct name_prefix at = name_prefix("speller.layer.%" PRIu32 ".", i);
        load_attention(l, &at, &w->layers[i].attention);
        if (p->kind == SPELLER_RECURRENT)
            load_recurrent(l, &at, &w->layers[i].recurrent);
        else
            load_transformer(l, &at, &w->layers[i].transformer);
        if (p->mlp > 0)
            load_mlp(l, &at, &w->layers[i].mlp);
    }
    load_speller_ends(l);
}

static int load_all(struct network *network, struct hearken_error *error)
{
    struct loader l = {network, error, 0};
    const struct parameters *p = &network->parameters;
    const struct name_prefix top = name_prefix("%s", "");
    load_features(&l);
    if (l.result == 0)
        load_listener(&l);
    if (l.result == 0 && p->has_ctc)
        network->ctc =
            load_affine(&l, &top, "ctc", p->speller.vocabulary, p->listener.memory_width);
    if (l.result == 0)
        load_speller(&l);
    return l.result;
}

int network_open(const char *path, const struct hearken_backend_options *options,
                 struct network **network, struct hearken_error *error)
{
    struct hearken_error inside = {""};
    struct network *n = calloc(1, sizeof(*n));
    if (!n)
        return hearken_fail(error, -ENOMEM, "out of memory");
    int result = model_file_open(path, GGUF_WHOLE, &n->gguf, &n->converted, error);
    if (result < 0)
        goto failed;
    if ((result = parameters_read(&n->parameters, n->gguf, &inside)) < 0 ||
        (result = vocabulary_read(&n->vocabulary, n->gguf, &inside)) < 0)
        goto bad_file;
    result = control_tokens_find(&n->control, &n->vocabulary, &n->parameters.speller, n->gguf);
    if (result < 0) {
        hearken_fail(error, result, "%s: out of memory", path);
        goto failed;
    }
    if ((result = compute_open(options, &n->compute, error)) < 0)
        goto failed;
    if ((result = load_all(n, &inside)) < 0)
        goto bad_file;
    const unsigned threads = compute_parallel_queues(n->compute);
    if ((result = step_scheduler_create(threads, LIVE_PATIENCE, &n->live_steps)) < 0 ||
        (result = step_scheduler_create(threads, PATIENCE, &n->steps)) < 0) {
        hearken_fail(error, result, "%s: out of memory", path);
        goto failed;
    }
    *network = n;
    return 0;
bad_file:
    hearken_fail(error, result, "%s: %.400s", path, inside.message);
failed:
    network_destroy(n);
    return result;
}

void network_destroy(struct network *network)
{
    if (!network)
        return;
    for (size_t i = 0; i < network->tensor_count; i++)
        compute_tensor_destroy(network->compute, network->tensors[i]);
    free(network->tensors);
    for (size_t i = 0; i < network->generated_count; i++)
        free(network->generated[i]);
    free(network->generated);
    free(network->listener.blocks);
    free(network->speller.layers);
    step_scheduler_destroy(network->live_steps);
    step_scheduler_destroy(network->steps);
    compute_destroy(network->compute);
    control_tokens_finish(&network->control);
    vocabulary_finish(&network->vocabulary);
    gguf_destroy(network->gguf);
    free(network);
}

uint32_t network_max_memory_steps(const struct network *network)
{
    const struct listener_parameters *p = &network->parameters.listener;
    return (p->positions + p->pyramid - 1) / p->pyramid;
}
