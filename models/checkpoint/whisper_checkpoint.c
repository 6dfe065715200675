// SPDX-License-Identifier: MIT
#include "models/checkpoint/whisper_checkpoint.h"

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
struct alignment_row {
    const struct checkpoint *checkpoint;
    struct complaint *complaint;
    int result;
};

static const struct checkpoint_tensor *find(struct alignment_row *alignment_row, const char *name)
{
    const struct checkpoint_tensor *tensor =
        alignment_row->result < 0 ? NULL : checkpoint_find(alignment_row->checkpoint, name);
    if (!tensor && alignment_row->result == 0)
        alignment_row->result = complain(alignment_row->complaint, -EINVAL,
                                         "'%s' is missing, expected a Whisper model", name);
    return tensor;
}

/* Dimension `index` of a tensor of that rank, from 1 to `most`. */
static uint32_t dimension(struct alignment_row *alignment_row, const char *name, uint32_t rank,
                          uint32_t index, uint32_t most)
{
    const struct checkpoint_tensor *tensor = find(alignment_row, name);
    if (!tensor)
        return 1;
    uint64_t size = tensor->shape[index];
    if (tensor->rank == rank && size >= 1 && size <= most)
        return (uint32_t)size;
    alignment_row->result =
        complain(alignment_row->complaint, -EINVAL,
                 "'%s' has rank %u and dimension %u is %" PRIu64 ", expected rank %u and 1 to %u",
                 name, tensor->rank, index, size, rank, most);
    return 1;
}

static uint32_t count_layers(struct alignment_row *alignment_row, const char *part)
{
    char name[64];
    uint32_t count = 0;
    do
        snprintf(name, sizeof(name), "%s.blocks.%" PRIu32 ".mlp.0.weight", part, count);
    while (checkpoint_find(alignment_row->checkpoint, name) && ++count <= MAX_LAYERS);
    if (alignment_row->result == 0 && (count == 0 || count > MAX_LAYERS))
        alignment_row->result = complain(alignment_row->complaint, -EINVAL,
                                         "%" PRIu32 "%s layers in the %s, expected 1 to %u", count,
                                         count > MAX_LAYERS ? " or more" : "", part, MAX_LAYERS);
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
static void check_positions(struct alignment_row *alignment_row, struct whisper *w)
{
    const struct checkpoint_tensor *table = find(alignment_row, "encoder.positional_embedding");
    uint32_t half = w->width / 2;
    float value;
    if (!table)
        return;
    double tolerance = table->type == VALUE_BF16 ? POSITION_TOLERANCE_BFLOAT : POSITION_TOLERANCE;
    if (value_is_quantized(table->type) || table->shape[1] != w->width || w->width % 2 ||
        half < 2) {
        alignment_row->result = complain(
            alignment_row->complaint, -EINVAL,
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
            alignment_row->result =
                complain(alignment_row->complaint, -EINVAL,
                         "'%s' holds %g for position %" PRIu64 ", expected Whisper's sinusoids",
                         table->name, (double)value, t);
            return;
        }
    }
    w->half_positions = from_half < from_exact;
}

/* Logits are the embedding times x: a projection of its own has no place in the file. */
static void check_projection(struct alignment_row *alignment_row)
{
    const struct checkpoint_tensor *embedding =
        find(alignment_row, "decoder.token_embedding.weight");
    const struct checkpoint_tensor *projection =
        checkpoint_find(alignment_row->checkpoint, "decoder.projection.weight");
    if (alignment_row->result < 0 || !projection || projection->data == embedding->data)
        return;
    if (projection->type != embedding->type || projection->count != embedding->count ||
        memcmp(projection->data, embedding->data, value_bytes(embedding->type, embedding->count)) !=
            0)
        alignment_row->result =
            complain(alignment_row->complaint, -EINVAL,
                     "the projection to logits is not the embedding, expected the same "
                     "weights");
}

static uint32_t check_heads(struct alignment_row *alignment_row, uint32_t width)
{
    uint32_t listener = alignment_row->checkpoint->listener_heads,
             speller = alignment_row->checkpoint->speller_heads;
    if (alignment_row->result == 0 &&
        (listener != speller || listener < 1 || listener > MAX_HEADS || width % listener))
        alignment_row->result = complain(alignment_row->complaint, -EINVAL,
                                         "%" PRIu32 " and %" PRIu32 " heads, expected the same "
                                         "number, from 1 to %u, that divides the width %" PRIu32,
                                         listener, speller, MAX_HEADS, width);
    return alignment_row->result < 0 ? 1 : listener;
}

/* A reader knows no bounds for what its lists hold. */
static void check_list(struct alignment_row *alignment_row, const char *what,
                       const struct number_list *list, uint32_t limit)
{
    for (size_t i = 0; alignment_row->result == 0 && i < list->count; i++)
        if (list->numbers[i] >= limit)
            alignment_row->result =
                complain(alignment_row->complaint, -EINVAL,
                         "%s: number %zu is %" PRIu32 ", expected less than %" PRIu32, what, i,
                         list->numbers[i], limit);
}

int whisper_read(struct whisper *whisper, const struct checkpoint *checkpoint,
                 struct complaint *complaint)
{
    struct alignment_row alignment_row = {checkpoint, complaint, 0};
    struct whisper w = {
        .mels = dimension(&alignment_row, "encoder.conv1.weight", 3, 1, MAX_MELS),
        .width = dimension(&alignment_row, "encoder.conv1.weight", 3, 0, MAX_WIDTH),
        .mlp = dimension(&alignment_row, "encoder.blocks.0.mlp.0.weight", 2, 0, 65536),
        .listener_layers = count_layers(&alignment_row, "encoder"),
        .listener_positions =
            dimension(&alignment_row, "encoder.positional_embedding", 2, 0, 65536),
        .speller_layers = count_layers(&alignment_row, "decoder"),
        .speller_positions = dimension(&alignment_row, "decoder.positional_embedding", 2, 0, 65536),
        .vocabulary = dimension(&alignment_row, "decoder.token_embedding.weight", 2, 0, 1000000),
    };
    w.heads = check_heads(&alignment_row, w.width);
    w.multilingual = w.vocabulary >= MULTILINGUAL_VOCABULARY;
    check_positions(&alignment_row, &w);
    check_projection(&alignment_row);
    if (alignment_row.result == 0 && checkpoint->tokens.count != w.vocabulary)
        alignment_row.result = complain(complaint, -EINVAL,
                                        "the vocabulary has %" PRIu32
                                        " tokens, expected the %" PRIu32 " that the embedding has",
                                        checkpoint->tokens.count, w.vocabulary);
    if (alignment_row.result == 0 && checkpoint->mel_filters && checkpoint->mel_bands != w.mels)
        alignment_row.result = complain(complaint, -EINVAL,
                                        "filters for %" PRIu32 " mel bands, expected the %" PRIu32
                                        " that the network has",
                                        checkpoint->mel_bands, w.mels);
    check_list(&alignment_row, "heads that follow the sound", &checkpoint->alignment_heads,
               w.speller_layers * w.heads);
    check_list(&alignment_row, "suppressed tokens", &checkpoint->suppress, w.vocabulary);
    check_list(&alignment_row, "tokens suppressed at the start", &checkpoint->suppress_at_begin,
               w.vocabulary);
    *whisper = w;
    return alignment_row.result;
}
