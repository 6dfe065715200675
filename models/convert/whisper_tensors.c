// SPDX-License-Identifier: MIT
/* CTranslate2's names and shapes to those of a model file. */
#include "whisper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK           32u    /* of quantized values */
#define SMALLEST_MATRIX 16384u /* values; below, rounding saves nothing worth its error */
#define TAPS            3u

/* The first failure sticks. */
struct listing {
    struct whisper_tensors *list;
    size_t room;
    const struct whisper *whisper;
    const struct ct2 *ct2;
    struct whisper_types types;
    struct complaint *complaint;
    int result;
};

/* A row of a table: "PREFIX" + part in the model file, "PREFIX/" + source in model.bin. */
struct part {
    const char *name, *source;
};

static enum gguf_tensor_type choose_type(enum gguf_tensor_type wanted, uint32_t rank,
                                         const uint64_t *shape)
{
    uint64_t count = shape[0] * shape[1] * shape[2];
    if (rank < 2 || count < SMALLEST_MATRIX || wanted == GGUF_TENSOR_F32)
        return GGUF_TENSOR_F32;
    if (rank == 3)
        return GGUF_TENSOR_F16;
    return shape[0] % BLOCK == 0 ? wanted : GGUF_TENSOR_F32;
}

static struct whisper_tensor *add(struct listing *l, const char *prefix, const char *part,
                                  const char *kind)
{
    struct whisper_tensors *list = l->list;
    if (l->result < 0)
        return NULL;
    if (list->count == l->room) {
        size_t room = l->room ? 2 * l->room : 128;
        void *grown = realloc(list->tensors, room * sizeof(*list->tensors));
        if (!grown) {
            l->result = complain_of_memory(l->complaint);
            return NULL;
        }
        list->tensors = grown;
        l->room = room;
    }
    struct whisper_tensor *tensor = &list->tensors[list->count++];
    *tensor = (struct whisper_tensor){.shape = {1, 1, 1, 1}};
    snprintf(tensor->name, sizeof(tensor->name), "%s%s%s", prefix, part, kind);
    return tensor;
}

/* `shape` is the source's: outermost first, 1 beyond its rank. */
static const struct ct2_tensor *find(struct listing *l, const char *name, uint32_t rank,
                                     const uint64_t *shape)
{
    const struct ct2_tensor *source = ct2_find(l->ct2, name);
    if (!source) {
        l->result = complain(l->complaint, -EINVAL, "model.bin: '%s' is missing", name);
        return NULL;
    }
    if (source->type != CT2_F32 && source->type != CT2_F16 && source->type != CT2_BF16) {
        l->result = complain(l->complaint, -EINVAL,
                             "model.bin: '%s' is %s, expected float32, float16 or bfloat16 (a "
                             "checkpoint that is not quantized)",
                             name, ct2_type_name(source->type));
        return NULL;
    }
    if (source->rank != rank || memcmp(source->shape, shape, 3 * sizeof(*shape)) != 0) {
        l->result =
            complain(l->complaint, -EINVAL,
                     "model.bin: '%s' is %" PRIu64 " x %" PRIu64 " x %" PRIu64
                     " (rank %u), expected %" PRIu64 " x %" PRIu64 " x %" PRIu64 " (rank %u)",
                     name, source->shape[0], source->shape[1], source->shape[2], source->rank,
                     shape[0], shape[1], shape[2], rank);
        return NULL;
    }
    return source;
}

/* Rows `first` to first + rows of a source that has `all` of them. */
static void add_rows(struct listing *l, struct whisper_tensor *tensor, const char *source,
                     uint32_t rank, uint64_t all, uint64_t columns, uint64_t first, uint64_t rows)
{
    if (!tensor)
        return;
    const uint64_t shape[3] = {all, rank > 1 ? columns : 1, 1};
    tensor->source = find(l, source, rank, shape);
    tensor->rank = rank;
    tensor->first_row = first;
    tensor->shape[0] = rank > 1 ? columns : rows;
    tensor->shape[1] = rank > 1 ? rows : 1;
    tensor->type = choose_type(l->types.matrices, rank, tensor->shape);
}

/* A part of a linear layer's outputs, weight and bias: `index` of `parts` equal ones. */
static void add_slice(struct listing *l, const char *prefix, const char *name, const char *source,
                      uint64_t outputs, uint64_t inputs, uint32_t index, uint32_t parts)
{
    char path[128];
    uint64_t all = outputs * parts;
    snprintf(path, sizeof(path), "%s/weight", source);
    add_rows(l, add(l, prefix, name, ".weight"), path, 2, all, inputs, index * outputs, outputs);
    snprintf(path, sizeof(path), "%s/bias", source);
    struct whisper_tensor *bias = add(l, prefix, name, ".bias");
    add_rows(l, bias, path, 1, all, 0, 0, outputs);
    if (bias)
        bias->first_row = index; /* the whole slice is a vector's one row */
}

static void add_linear(struct listing *l, const char *prefix, const char *source_prefix,
                       struct part part, uint64_t outputs, uint64_t inputs)
{
    char source[96];
    snprintf(source, sizeof(source), "%s/%s", source_prefix, part.source);
    add_slice(l, prefix, part.name, source, outputs, inputs, 0, 1);
}

static void add_norm(struct listing *l, const char *prefix, const char *source_prefix,
                     struct part part)
{
    char source[96];
    uint64_t width = l->whisper->width;
    snprintf(source, sizeof(source), "%s/%s/gamma", source_prefix, part.source);
    add_rows(l, add(l, prefix, part.name, ".weight"), source, 1, width, 0, 0, width);
    snprintf(source, sizeof(source), "%s/%s/beta", source_prefix, part.source);
    add_rows(l, add(l, prefix, part.name, ".bias"), source, 1, width, 0, 0, width);
}

static void add_convolution(struct listing *l, const char *name, uint64_t inputs)
{
    char source[64];
    uint64_t width = l->whisper->width;
    const uint64_t shape[3] = {width, inputs, TAPS};
    struct whisper_tensor *weight = add(l, "listener.", name, ".weight");
    if (weight) {
        snprintf(source, sizeof(source), "encoder/%s/weight", name);
        weight->source = find(l, source, 3, shape);
        weight->rank = 3;
        for (uint32_t i = 0; i < 3; i++)
            weight->shape[i] = shape[2 - i];
        weight->type = choose_type(l->types.matrices, 3, weight->shape);
    }
    snprintf(source, sizeof(source), "encoder/%s/bias", name);
    add_rows(l, add(l, "listener.", name, ".bias"), source, 1, width, 0, 0, width);
}

static void add_mlp(struct listing *l, const char *prefix, const char *source)
{
    const struct whisper *w = l->whisper;
    add_norm(l, prefix, source, (struct part){"mlp_norm", "ffn/layer_norm"});
    add_linear(l, prefix, source, (struct part){"mlp_up", "ffn/linear_0"}, w->mlp, w->width);
    add_linear(l, prefix, source, (struct part){"mlp_down", "ffn/linear_1"}, w->width, w->mlp);
}

static void add_listener(struct listing *l)
{
    const struct whisper *w = l->whisper;
    uint64_t width = w->width;
    add_convolution(l, "conv1", w->mels);
    add_convolution(l, "conv2", width);
    for (uint32_t i = 0; i < w->listener_layers; i++) {
        char to[32], from[32];
        snprintf(to, sizeof(to), "listener.block.%" PRIu32 ".", i);
        snprintf(from, sizeof(from), "encoder/layer_%" PRIu32, i);
        add_norm(l, to, from, (struct part){"attention_norm", "self_attention/layer_norm"});
        add_linear(l, to, from, (struct part){"qkv", "self_attention/linear_0"}, 3 * width, width);
        add_linear(l, to, from, (struct part){"attention_out", "self_attention/linear_1"}, width,
                   width);
        add_mlp(l, to, from);
    }
    add_norm(l, "listener.", "encoder", (struct part){"norm", "layer_norm"});
}

static void add_attention(struct listing *l, const char *to, const char *from)
{
    char both[96];
    uint64_t width = l->whisper->width;
    add_norm(l, to, from, (struct part){"attention_norm", "attention/layer_norm"});
    add_linear(l, to, from, (struct part){"attention_query", "attention/linear_0"}, width, width);
    /* Keys, then values, in one matrix of model.bin. */
    snprintf(both, sizeof(both), "%s/attention/linear_1", from);
    add_slice(l, to, "attention_key", both, width, width, 0, 2);
    add_slice(l, to, "attention_value", both, width, width, 1, 2);
    add_linear(l, to, from, (struct part){"attention_out", "attention/linear_2"}, width, width);
}

static void add_speller(struct listing *l, const uint32_t *kept, uint32_t kept_count)
{
    const struct whisper *w = l->whisper;
    uint64_t width = w->width;
    struct whisper_tensor *embedding = add(l, "speller.", "embedding", ".weight");
    add_rows(l, embedding, "decoder/embeddings/weight", 2, w->vocabulary, width, 0, kept_count);
    if (embedding) {
        embedding->rows = kept;
        embedding->type = choose_type(l->types.embedding, 2, embedding->shape);
    }
    add_rows(l, add(l, "speller.", "positions", ""), "decoder/position_encodings/encodings", 2,
             w->speller_positions, width, 0, w->speller_positions);
    for (uint32_t i = 0; i < w->speller_layers; i++) {
        char to[32], from[32];
        snprintf(to, sizeof(to), "speller.layer.%" PRIu32 ".", i);
        snprintf(from, sizeof(from), "decoder/layer_%" PRIu32, i);
        add_norm(l, to, from, (struct part){"self_norm", "self_attention/layer_norm"});
        add_linear(l, to, from, (struct part){"self_qkv", "self_attention/linear_0"}, 3 * width,
                   width);
        add_linear(l, to, from, (struct part){"self_out", "self_attention/linear_1"}, width, width);
        add_attention(l, to, from);
        add_mlp(l, to, from);
    }
    add_norm(l, "speller.", "decoder", (struct part){"norm", "layer_norm"});
}

int whisper_list_tensors(struct whisper_tensors *list, const struct whisper *whisper,
                         const struct ct2 *ct2, struct whisper_types types, const uint32_t *kept,
                         uint32_t kept_count, struct complaint *complaint)
{
    struct listing listing = {list, 0, whisper, ct2, types, complaint, 0};
    *list = (struct whisper_tensors){0};
    add_listener(&listing);
    add_speller(&listing, kept, kept_count);
    return listing.result;
}

void whisper_tensors_finish(struct whisper_tensors *list)
{
    free(list->tensors);
    *list = (struct whisper_tensors){0};
}
