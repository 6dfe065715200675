// SPDX-License-Identifier: MIT
#include "whisper.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 64u
#define MAX_HEADS  64u
#define MAX_WIDTH  8192u
#define MAX_MELS   512u

/* English-only checkpoints have one token less than the first multilingual ones. */
#define MULTILINGUAL_VOCABULARY 51865u

/* hearken computes the listener's sinusoids itself; half precision rounds them by 2^-12, bfloat16
 * by 2^-9, twice that where it cuts. */
#define POSITION_TOLERANCE        1e-3
#define POSITION_TOLERANCE_BFLOAT 5e-3

/* The first failure sticks. */
struct look {
    const struct checkpoint *checkpoint;
    struct complaint *complaint;
    int result;
};

static const struct checkpoint_tensor *find(struct look *look, const char *name)
{
    const struct checkpoint_tensor *tensor =
        look->result < 0 ? NULL : checkpoint_find(look->checkpoint, name);
    if (!tensor && look->result == 0)
        look->result =
            complain(look->complaint, -EINVAL, "'%s' is missing, expected a Whisper model", name);
    return tensor;
}

/* Dimension `index` of a tensor of that rank, from 1 to `most`. */
static uint32_t dimension(struct look *look, const char *name, uint32_t rank, uint32_t index,
                          uint32_t most)
{
    const struct checkpoint_tensor *tensor = find(look, name);
    if (!tensor)
        return 1;
    uint64_t size = tensor->shape[index];
    if (tensor->rank == rank && size >= 1 && size <= most)
        return (uint32_t)size;
    look->result =
        complain(look->complaint, -EINVAL,
                 "'%s' has rank %u and dimension %u is %" PRIu64 ", expected rank %u and 1 to %u",
                 name, tensor->rank, index, size, rank, most);
    return 1;
}

static uint32_t count_layers(struct look *look, const char *part)
{
    char name[64];
    uint32_t count = 0;
    do
        snprintf(name, sizeof(name), "%s.blocks.%" PRIu32 ".mlp.0.weight", part, count);
    while (checkpoint_find(look->checkpoint, name) && ++count <= MAX_LAYERS);
    if (look->result == 0 && (count == 0 || count > MAX_LAYERS))
        look->result =
            complain(look->complaint, -EINVAL, "%" PRIu32 "%s layers in the %s, expected 1 to %u",
                     count, count > MAX_LAYERS ? " or more" : "", part, MAX_LAYERS);
    return count;
}

/* The nearest number of half precision: 11 bits, none below 2^-24. */
static double round_to_half(double x)
{
    int exponent;
    frexp(x, &exponent);
    exponent = exponent - 11 > -24 ? exponent - 11 : -24;
    return ldexp(nearbyint(ldexp(x, -exponent)), exponent);
}

/* Whisper's own are sin(t · f_i), then cos(t · f_i), f_i = 10000^(-i / (width / 2 - 1)). */
static void check_positions(struct look *look, struct whisper *w)
{
    const struct checkpoint_tensor *table = find(look, "encoder.positional_embedding");
    uint32_t half = w->width / 2;
    float value;
    if (!table)
        return;
    double tolerance = table->type == VALUE_BF16 ? POSITION_TOLERANCE_BFLOAT : POSITION_TOLERANCE;
    if (value_is_quantized(table->type) || table->shape[1] != w->width || w->width % 2 ||
        half < 2) {
        look->result = complain(look->complaint, -EINVAL,
                                "'%s' is not of floats or not as wide as the network, %" PRIu32,
                                table->name, w->width);
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
            look->result =
                complain(look->complaint, -EINVAL,
                         "'%s' holds %g for position %" PRIu64 ", expected Whisper's sinusoids",
                         table->name, (double)value, t);
            return;
        }
    }
    w->half_positions = from_half < from_exact;
}

/* Logits are the embedding times x: a projection of its own has no place in the file. */
static void check_projection(struct look *look)
{
    const struct checkpoint_tensor *embedding = find(look, "decoder.token_embedding.weight");
    const struct checkpoint_tensor *projection =
        checkpoint_find(look->checkpoint, "decoder.projection.weight");
    if (look->result < 0 || !projection || projection->data == embedding->data)
        return;
    if (projection->type != embedding->type || projection->count != embedding->count ||
        memcmp(projection->data, embedding->data, value_bytes(embedding->type, embedding->count)) !=
            0)
        look->result = complain(look->complaint, -EINVAL,
                                "the projection to logits is not the embedding, expected the same "
                                "weights");
}

static uint32_t check_heads(struct look *look, uint32_t width)
{
    uint32_t listener = look->checkpoint->listener_heads, speller = look->checkpoint->speller_heads;
    if (look->result == 0 &&
        (listener != speller || listener < 1 || listener > MAX_HEADS || width % listener))
        look->result = complain(look->complaint, -EINVAL,
                                "%" PRIu32 " and %" PRIu32 " heads, expected the same "
                                "number, from 1 to %u, that divides the width %" PRIu32,
                                listener, speller, MAX_HEADS, width);
    return look->result < 0 ? 1 : listener;
}

/* A reader knows no bounds for what its lists hold. */
static void check_list(struct look *look, const char *what, const struct number_list *list,
                       uint32_t limit)
{
    for (size_t i = 0; look->result == 0 && i < list->count; i++)
        if (list->numbers[i] >= limit)
            look->result = complain(look->complaint, -EINVAL,
                                    "%s: number %zu is %" PRIu32 ", expected less than %" PRIu32,
                                    what, i, list->numbers[i], limit);
}

int whisper_read(struct whisper *whisper, const struct checkpoint *checkpoint,
                 struct complaint *complaint)
{
    struct look look = {checkpoint, complaint, 0};
    struct whisper w = {
        .mels = dimension(&look, "encoder.conv1.weight", 3, 1, MAX_MELS),
        .width = dimension(&look, "encoder.conv1.weight", 3, 0, MAX_WIDTH),
        .mlp = dimension(&look, "encoder.blocks.0.mlp.0.weight", 2, 0, 65536),
        .listener_layers = count_layers(&look, "encoder"),
        .listener_positions = dimension(&look, "encoder.positional_embedding", 2, 0, 65536),
        .speller_layers = count_layers(&look, "decoder"),
        .speller_positions = dimension(&look, "decoder.positional_embedding", 2, 0, 65536),
        .vocabulary = dimension(&look, "decoder.token_embedding.weight", 2, 0, 1000000),
    };
    w.heads = check_heads(&look, w.width);
    w.multilingual = w.vocabulary >= MULTILINGUAL_VOCABULARY;
    check_positions(&look, &w);
    check_projection(&look);
    if (look.result == 0 && checkpoint->tokens.count != w.vocabulary)
        look.result = complain(complaint, -EINVAL,
                               "the vocabulary has %" PRIu32 " tokens, expected the %" PRIu32
                               " that the embedding has",
                               checkpoint->tokens.count, w.vocabulary);
    if (look.result == 0 && checkpoint->mel_filters && checkpoint->mel_bands != w.mels)
        look.result = complain(complaint, -EINVAL,
                               "filters for %" PRIu32 " mel bands, expected the %" PRIu32
                               " that the network has",
                               checkpoint->mel_bands, w.mels);
    check_list(&look, "heads that follow the sound", &checkpoint->alignment_heads,
               w.speller_layers * w.heads);
    check_list(&look, "suppressed tokens", &checkpoint->suppress, w.vocabulary);
    check_list(&look, "tokens suppressed at the start", &checkpoint->suppress_at_begin,
               w.vocabulary);
    *whisper = w;
    return look.result;
}
