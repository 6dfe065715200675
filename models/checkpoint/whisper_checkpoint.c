// SPDX-License-Identifier: MIT
#include "models/checkpoint/whisper_checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tensors: the checkpoint's names and shapes to those of a model file ---- */

#define BLOCK           32u    /* of quantized values */
#define SMALLEST_MATRIX 16384u /* values; quantising smaller matrices saves too little memory */
#define TAPS            3u

/* After the first failure, further calls have no effect. */
struct listing {
    struct whisper_tensors *list;
    size_t room;
    const struct whisper *whisper;
    const struct checkpoint *checkpoint;
    struct whisper_types types;
    struct hearken_error *error;
    int result;
};

/* Names of a layer in the model file, and in the checkpoint behind its block's prefix. */
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

/* Keeps the checkpoint's type if a model file supports it. */
static enum gguf_tensor_type keep_type(const struct whisper_tensor *tensor,
                                       enum gguf_tensor_type wanted)
{
    enum value_type type = tensor->parts[0] ? tensor->parts[0]->type : VALUE_F32;
    for (uint32_t i = 1; i < tensor->part_count; i++)
        if (!tensor->parts[i] || tensor->parts[i]->type != type)
            return choose_type(wanted, tensor->rank, tensor->shape);
    if (tensor->rank < 2 || type == VALUE_F32)
        return GGUF_TENSOR_F32;
    if (type == VALUE_F16)
        return GGUF_TENSOR_F16;
    if (tensor->rank == 2 && type == VALUE_Q8_0)
        return GGUF_TENSOR_Q8_0;
    if (tensor->rank == 2 && type == VALUE_Q5_0)
        return GGUF_TENSOR_Q5_0;
    return choose_type(wanted, tensor->rank, tensor->shape);
}

static void set_type(const struct listing *l, struct whisper_tensor *tensor,
                     enum gguf_tensor_type wanted)
{
    if (l->result == 0)
        tensor->type = l->types.keep ? keep_type(tensor, wanted)
                                     : choose_type(wanted, tensor->rank, tensor->shape);
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
            l->result = hearken_fail(l->error, -ENOMEM, "out of memory");
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

/* `shape` is the source's: outermost first, 1 beyond its rank. NULL after an error. */
static const struct checkpoint_tensor *find(struct listing *l, const char *name, uint32_t rank,
                                            const uint64_t *shape)
{
    const struct checkpoint_tensor *source = checkpoint_find(l->checkpoint, name);
    if (l->result < 0)
        return NULL;
    if (!source) {
        l->result = hearken_fail(l->error, -EINVAL, "'%s' is missing", name);
        return NULL;
    }
    /* In whisper.cpp's files, the convolutions' biases have a second dimension of 1. */
    bool same_rank = source->rank == rank || (rank == 1 && source->rank == 2);
    if (!same_rank || memcmp(source->shape, shape, 3 * sizeof(*shape)) != 0) {
        l->result =
            hearken_fail(l->error, -EINVAL,
                         "'%s' is %" PRIu64 " x %" PRIu64 " x %" PRIu64
                         " (rank %u), expected %" PRIu64 " x %" PRIu64 " x %" PRIu64 " (rank %u)",
                         name, source->shape[0], source->shape[1], source->shape[2], source->rank,
                         shape[0], shape[1], shape[2], rank);
        return NULL;
    }
    return source;
}

/* A tensor of the model file that is one of the checkpoint. `shape` is outermost first. */
static struct whisper_tensor *add_whole(struct listing *l, const char *prefix, const char *part,
                                        const char *kind, const char *source, uint32_t rank,
                                        const uint64_t *shape)
{
    struct whisper_tensor *tensor = add(l, prefix, part, kind);
    if (!tensor)
        return NULL;
    tensor->parts[0] = find(l, source, rank, shape);
    tensor->part_count = 1;
    tensor->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        tensor->shape[i] = shape[rank - 1 - i];
    set_type(l, tensor, l->types.matrices);
    return tensor;
}

static void add_vector(struct listing *l, const char *prefix, const char *part, const char *kind,
                       const char *source)
{
    const uint64_t shape[3] = {l->whisper->width, 1, 1};
    add_whole(l, prefix, part, kind, source, 1, shape);
}

/* Concatenates the rows of several linear layers. A missing bias, like that of the keys, is zero.
 */
static void add_joined(struct listing *l, const char *prefix, const char *name, const char *from,
                       const char *const *sources, uint32_t count, uint64_t outputs,
                       uint64_t inputs)
{
    char path[CHECKPOINT_MAX_NAME];
    const uint64_t shape[3] = {outputs, inputs, 1}, bias_shape[3] = {outputs, 1, 1};
    struct whisper_tensor *weight = add(l, prefix, name, ".weight");
    for (uint32_t i = 0; weight && i < count; i++) {
        snprintf(path, sizeof(path), "%s%s.weight", from, sources[i]);
        weight->parts[i] = find(l, path, 2, shape);
    }
    if (weight) {
        weight->part_count = count;
        weight->rank = 2;
        weight->shape[0] = inputs;
        weight->shape[1] = count * outputs;
        set_type(l, weight, l->types.matrices);
    }
    struct whisper_tensor *bias = add(l, prefix, name, ".bias");
    for (uint32_t i = 0; bias && i < count; i++) {
        snprintf(path, sizeof(path), "%s%s.bias", from, sources[i]);
        bool key = strstr(sources[i], "key") && !checkpoint_find(l->checkpoint, path);
        bias->parts[i] = key ? NULL : find(l, path, 1, bias_shape);
    }
    if (bias) {
        bias->part_count = count;
        bias->rank = 1;
        bias->shape[0] = count * outputs;
        bias->type = GGUF_TENSOR_F32;
    }
}

static void add_linear(struct listing *l, const char *to, const char *from, struct part part,
                       uint64_t outputs, uint64_t inputs)
{
    add_joined(l, to, part.name, from, &part.source, 1, outputs, inputs);
}

static void add_norm(struct listing *l, const char *to, const char *from, struct part part)
{
    char source[CHECKPOINT_MAX_NAME];
    snprintf(source, sizeof(source), "%s%s.weight", from, part.source);
    add_vector(l, to, part.name, ".weight", source);
    snprintf(source, sizeof(source), "%s%s.bias", from, part.source);
    add_vector(l, to, part.name, ".bias", source);
}

static void add_convolution(struct listing *l, const char *name, uint64_t inputs)
{
    char source[CHECKPOINT_MAX_NAME];
    const uint64_t shape[3] = {l->whisper->width, inputs, TAPS};
    snprintf(source, sizeof(source), "encoder.%s.weight", name);
    add_whole(l, "listener.", name, ".weight", source, 3, shape);
    snprintf(source, sizeof(source), "encoder.%s.bias", name);
    add_vector(l, "listener.", name, ".bias", source);
}

static void add_self_attention(struct listing *l, const char *to, const char *from,
                               const char *const names[3])
{
    static const char *const sources[] = {"attn.query", "attn.key", "attn.value"};
    uint64_t width = l->whisper->width;
    add_norm(l, to, from, (struct part){names[0], "attn_ln"});
    add_joined(l, to, names[1], from, sources, 3, width, width);
    add_linear(l, to, from, (struct part){names[2], "attn.out"}, width, width);
}

static void add_attention(struct listing *l, const char *to, const char *from)
{
    static const struct part parts[] = {
        {"attention_query", "cross_attn.query"},
        {"attention_key", "cross_attn.key"},
        {"attention_value", "cross_attn.value"},
        {"attention_out", "cross_attn.out"},
    };
    uint64_t width = l->whisper->width;
    add_norm(l, to, from, (struct part){"attention_norm", "cross_attn_ln"});
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        add_linear(l, to, from, parts[i], width, width);
}

static void add_mlp(struct listing *l, const char *to, const char *from)
{
    const struct whisper *w = l->whisper;
    add_norm(l, to, from, (struct part){"mlp_norm", "mlp_ln"});
    add_linear(l, to, from, (struct part){"mlp_up", "mlp.0"}, w->mlp, w->width);
    add_linear(l, to, from, (struct part){"mlp_down", "mlp.2"}, w->width, w->mlp);
}

/* The layers `to`.0., `from`.0. and so on; `names` of the self-attention. */
static void add_layers(struct listing *l, const char *to, const char *from, uint32_t count,
                       const char *const *names, bool attends)
{
    for (uint32_t i = 0; i < count; i++) {
        char to_layer[32], from_layer[32];
        snprintf(to_layer, sizeof(to_layer), "%s.%" PRIu32 ".", to, i);
        snprintf(from_layer, sizeof(from_layer), "%s.%" PRIu32 ".", from, i);
        add_self_attention(l, to_layer, from_layer, names);
        if (attends)
            add_attention(l, to_layer, from_layer);
        add_mlp(l, to_layer, from_layer);
    }
}

static void add_listener(struct listing *l)
{
    static const char *const names[] = {"attention_norm", "qkv", "attention_out"};
    const struct whisper *w = l->whisper;
    add_convolution(l, "conv1", w->mels);
    add_convolution(l, "conv2", w->width);
    add_layers(l, "listener.block", "encoder.blocks", w->listener_layers, names, false);
    add_norm(l, "listener.", "encoder.", (struct part){"norm", "ln_post"});
}

static void add_speller(struct listing *l, const uint32_t *kept, uint32_t kept_count)
{
    static const char *const names[] = {"self_norm", "self_qkv", "self_out"};
    const struct whisper *w = l->whisper;
    const uint64_t embedding_shape[3] = {w->vocabulary, w->width, 1};
    const uint64_t position_shape[3] = {w->speller_positions, w->width, 1};
    struct whisper_tensor *embedding =
        add_whole(l, "speller.", "embedding", ".weight", "decoder.token_embedding.weight", 2,
                  embedding_shape);
    if (embedding) {
        embedding->rows = kept;
        embedding->shape[1] = kept_count;
        set_type(l, embedding, l->types.embedding);
    }
    add_whole(l, "speller.", "positions", "", "decoder.positional_embedding", 2, position_shape);
    add_layers(l, "speller.layer", "decoder.blocks", w->speller_layers, names, true);
    add_norm(l, "speller.", "decoder.", (struct part){"norm", "ln"});
}

int whisper_list_tensors(struct whisper_tensors *list, const struct whisper *whisper,
                         const struct checkpoint *checkpoint, struct whisper_types types,
                         const uint32_t *kept, uint32_t kept_count, struct hearken_error *error)
{
    struct listing listing = {list, 0, whisper, checkpoint, types, error, 0};
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

/* ---- The configuration ---- */

#define MAX_LAYERS 64u
#define MAX_HEADS  64u
#define MAX_WIDTH  8192u
#define MAX_MELS   512u

/* English-only checkpoints have one token less than the first multilingual ones. */
#define MULTILINGUAL_VOCABULARY 51865u

/* hearken computes the listener's sinusoids itself. The rounding error of half precision is 2^-12,
 * of bfloat16 2^-9, or twice that if truncated. */
#define POSITION_TOLERANCE        1e-3
#define POSITION_TOLERANCE_BFLOAT 5e-3

/* After the first failure, further calls have no effect. */
struct configuration {
    const struct checkpoint *checkpoint;
    struct hearken_error *error;
    int result;
};

static const struct checkpoint_tensor *require(struct configuration *configuration,
                                               const char *name)
{
    const struct checkpoint_tensor *tensor =
        configuration->result < 0 ? NULL : checkpoint_find(configuration->checkpoint, name);
    if (!tensor && configuration->result == 0)
        configuration->result = hearken_fail(configuration->error, -EINVAL,
                                             "'%s' is missing, expected a Whisper model", name);
    return tensor;
}

/* Dimension `index` of a tensor of that rank, from 1 to `most`. */
static uint32_t dimension(struct configuration *configuration, const char *name, uint32_t rank,
                          uint32_t index, uint32_t most)
{
    const struct checkpoint_tensor *tensor = require(configuration, name);
    if (!tensor)
        return 1;
    uint64_t size = tensor->shape[index];
    if (tensor->rank == rank && size >= 1 && size <= most)
        return (uint32_t)size;
    configuration->result = hearken_fail(configuration->error, -EINVAL,
                                         "'%s' has rank %u and dimension %u is %" PRIu64
                                         ", expected rank %u and 1 to %u",
                                         name, tensor->rank, index, size, rank, most);
    return 1;
}

static uint32_t count_layers(struct configuration *configuration, const char *part)
{
    char name[64];
    uint32_t count = 0;
    do
        snprintf(name, sizeof(name), "%s.blocks.%" PRIu32 ".mlp.0.weight", part, count);
    while (checkpoint_find(configuration->checkpoint, name) && ++count <= MAX_LAYERS);
    if (configuration->result == 0 && (count == 0 || count > MAX_LAYERS))
        configuration->result = hearken_fail(
            configuration->error, -EINVAL, "%" PRIu32 "%s layers in the %s, expected 1 to %u",
            count, count > MAX_LAYERS ? " or more" : "", part, MAX_LAYERS);
    return count;
}

/* Rounds to half precision: 11 significant bits, multiples of 2^-24 for subnormals. */
static double round_to_half(double x)
{
    int exponent;
    frexp(x, &exponent);
    exponent = exponent - 11 > -24 ? exponent - 11 : -24;
    return ldexp(nearbyint(ldexp(x, -exponent)), exponent);
}

/* Whisper's own are sin(t · f_i), then cos(t · f_i), f_i = 10000^(-i / (width / 2 - 1)). */
static void check_positions(struct configuration *configuration, struct whisper *w)
{
    const struct checkpoint_tensor *table = require(configuration, "encoder.positional_embedding");
    uint32_t half = w->width / 2;
    float value;
    if (!table)
        return;
    double tolerance = table->type == VALUE_BF16 ? POSITION_TOLERANCE_BFLOAT : POSITION_TOLERANCE;
    if (value_is_quantized(table->type) || table->shape[1] != w->width || w->width % 2 ||
        half < 2) {
        configuration->result = hearken_fail(
            configuration->error, -EINVAL,
            "'%s' is not of floats or not as wide as the network, %" PRIu32, table->name, w->width);
        return;
    }
    double from_half = 0, from_exact = 0;
    for (uint64_t k = 0; k < table->count; k++) {
        uint64_t t = k / w->width, i = k % w->width;
        double angle = (double)t * exp(-log(10000) * (double)(i % half) / (half - 1));
        checkpoint_read(table, k, 1, &value);
        double exact = i < half ? sin(angle) : cos(angle);
        from_exact += fabs(exact - (double)value);
        from_half += fabs(round_to_half(exact) - (double)value);
        if (!(fabs(exact - (double)value) < tolerance)) {
            configuration->result =
                hearken_fail(configuration->error, -EINVAL,
                             "'%s' holds %g for position %" PRIu64 ", expected Whisper's sinusoids",
                             table->name, (double)value, t);
            return;
        }
    }
    w->half_positions = from_half < from_exact;
}

/* Logits are computed with the embedding: the file format has no separate projection. */
static void check_projection(struct configuration *configuration)
{
    const struct checkpoint_tensor *embedding =
        require(configuration, "decoder.token_embedding.weight");
    const struct checkpoint_tensor *projection =
        checkpoint_find(configuration->checkpoint, "decoder.projection.weight");
    if (configuration->result < 0 || !projection || projection->data == embedding->data)
        return;
    if (projection->type != embedding->type || projection->count != embedding->count ||
        memcmp(projection->data, embedding->data, value_bytes(embedding->type, embedding->count)) !=
            0)
        configuration->result =
            hearken_fail(configuration->error, -EINVAL,
                         "the projection to logits is not the embedding, expected the same "
                         "weights");
}

static uint32_t check_heads(struct configuration *configuration, uint32_t width)
{
    uint32_t listener = configuration->checkpoint->listener_heads,
             speller = configuration->checkpoint->speller_heads;
    if (configuration->result == 0 &&
        (listener != speller || listener < 1 || listener > MAX_HEADS || width % listener))
        configuration->result =
            hearken_fail(configuration->error, -EINVAL,
                         "%" PRIu32 " and %" PRIu32 " heads, expected the same "
                         "number, from 1 to %u, that divides the width %" PRIu32,
                         listener, speller, MAX_HEADS, width);
    return configuration->result < 0 ? 1 : listener;
}

/* The readers of file formats do not check the bounds of list elements. */
static void check_list(struct configuration *configuration, const char *what,
                       const struct number_list *list, uint32_t limit)
{
    for (size_t i = 0; configuration->result == 0 && i < list->count; i++)
        if (list->numbers[i] >= limit)
            configuration->result =
                hearken_fail(configuration->error, -EINVAL,
                             "%s: number %zu is %" PRIu32 ", expected less than %" PRIu32, what, i,
                             list->numbers[i], limit);
}

int whisper_read(struct whisper *whisper, const struct checkpoint *checkpoint,
                 struct hearken_error *error)
{
    struct configuration configuration = {checkpoint, error, 0};
    struct whisper w = {
        .mels = dimension(&configuration, "encoder.conv1.weight", 3, 1, MAX_MELS),
        .width = dimension(&configuration, "encoder.conv1.weight", 3, 0, MAX_WIDTH),
        .mlp = dimension(&configuration, "encoder.blocks.0.mlp.0.weight", 2, 0, 65536),
        .listener_layers = count_layers(&configuration, "encoder"),
        .listener_positions =
            dimension(&configuration, "encoder.positional_embedding", 2, 0, 65536),
        .speller_layers = count_layers(&configuration, "decoder"),
        .speller_positions = dimension(&configuration, "decoder.positional_embedding", 2, 0, 65536),
        .vocabulary = dimension(&configuration, "decoder.token_embedding.weight", 2, 0, 1000000),
    };
    w.heads = check_heads(&configuration, w.width);
    w.multilingual = w.vocabulary >= MULTILINGUAL_VOCABULARY;
    check_positions(&configuration, &w);
    check_projection(&configuration);
    if (configuration.result == 0 && checkpoint->tokens.count != w.vocabulary)
        configuration.result =
            hearken_fail(error, -EINVAL,
                         "the vocabulary has %" PRIu32 " tokens, expected the %" PRIu32
                         " that the embedding has",
                         checkpoint->tokens.count, w.vocabulary);
    if (configuration.result == 0 && checkpoint->mel_filters && checkpoint->mel_bands != w.mels)
        configuration.result = hearken_fail(
            error, -EINVAL,
            "filters for %" PRIu32 " mel bands, expected the %" PRIu32 " that the network has",
            checkpoint->mel_bands, w.mels);
    check_list(&configuration, "heads that follow the sound", &checkpoint->alignment_heads,
               w.speller_layers * w.heads);
    check_list(&configuration, "suppressed tokens", &checkpoint->suppress, w.vocabulary);
    check_list(&configuration, "tokens suppressed at the start", &checkpoint->suppress_at_begin,
               w.vocabulary);
    *whisper = w;
    return configuration.result;
}
