// SPDX-License-Identifier: MIT
#include "whisper.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECIFICATION "WhisperSpec"
#define GELU          3 /* in CTranslate2's list of activations; the exact one, by erf */
#define MAX_LAYERS    64u
#define MAX_HEADS     64u
#define MAX_WIDTH     8192u
#define MAX_MELS      512u

/* English-only checkpoints have one token less than the first multilingual ones. */
#define MULTILINGUAL_VOCABULARY 51865u

/* hearken computes the listener's sinusoids itself; half precision rounds them by 2^-12. */
#define POSITION_TOLERANCE 1e-3

/* The first failure sticks. */
struct look {
    const struct ct2 *ct2;
    struct complaint *complaint;
    int result;
};

static const struct ct2_tensor *find(struct look *look, const char *name)
{
    const struct ct2_tensor *tensor = look->result < 0 ? NULL : ct2_find(look->ct2, name);
    if (!tensor && look->result == 0)
        look->result = complain(look->complaint, -EINVAL,
                                "model.bin: '%s' is missing, expected a Whisper model", name);
    return tensor;
}

/* Dimension `index` of a tensor of that rank, from 1 to `most`. */
static uint32_t dimension(struct look *look, const char *name, uint32_t rank, uint32_t index,
                          uint32_t most)
{
    const struct ct2_tensor *tensor = find(look, name);
    if (!tensor)
        return 1;
    uint64_t size = tensor->shape[index];
    if (tensor->rank == rank && size >= 1 && size <= most)
        return (uint32_t)size;
    look->result = complain(look->complaint, -EINVAL,
                            "model.bin: '%s' has rank %u and dimension %u is %" PRIu64
                            ", expected rank %u and 1 to %u",
                            name, tensor->rank, index, size, rank, most);
    return 1;
}

static int32_t scalar(struct look *look, const char *name)
{
    const struct ct2_tensor *tensor = find(look, name);
    if (!tensor)
        return 0;
    if (tensor->count == 1 &&
        (tensor->type == CT2_I8 || tensor->type == CT2_I16 || tensor->type == CT2_I32))
        return ct2_integer(tensor);
    look->result = complain(look->complaint, -EINVAL, "model.bin: '%s' is not one integer", name);
    return 0;
}

static uint32_t count_layers(struct look *look, const char *part)
{
    char name[64];
    uint32_t layers = 0;
    do
        snprintf(name, sizeof(name), "%s/layer_%" PRIu32 "/ffn/linear_0/weight", part, layers);
    while (layers <= MAX_LAYERS && ct2_find(look->ct2, name) && ++layers);
    if (look->result == 0 && (layers == 0 || layers > MAX_LAYERS))
        look->result =
            complain(look->complaint, -EINVAL, "model.bin: %s has %s layers, expected 1 to %u",
                     part, layers ? "more" : "no", MAX_LAYERS);
    return layers;
}

/* What CTranslate2 can switch on and Whisper does not. */
static void check_switches(struct look *look)
{
    static const struct {
        const char *name;
        int32_t expected;
    } switches[] = {
        {"decoder/activation", GELU},
        {"decoder/pre_norm", 1},
        {"decoder/scale_embeddings", 0},
        {"decoder/start_from_zero_embedding", 0},
        {"decoder/alibi", 0},
    };
    for (size_t i = 0; look->result == 0 && i < sizeof(switches) / sizeof(*switches); i++) {
        if (!ct2_find(look->ct2, switches[i].name))
            continue; /* older files state only what differs */
        int32_t value = scalar(look, switches[i].name);
        if (look->result == 0 && value != switches[i].expected)
            look->result = complain(look->complaint, -EINVAL,
                                    "model.bin: '%s' is %" PRId32 ", expected %" PRId32,
                                    switches[i].name, value, switches[i].expected);
    }
}

static bool has_weights(const struct ct2_tensor *tensor)
{
    return tensor->type == CT2_F32 || tensor->type == CT2_F16 || tensor->type == CT2_BF16;
}

/* Whisper's own are sin(t · f_i), then cos(t · f_i), f_i = 10000^(-i / (width / 2 - 1)). */
static void check_positions(struct look *look, const struct whisper *w)
{
    const struct ct2_tensor *table = find(look, "encoder/position_encodings/encodings");
    uint32_t half = w->width / 2;
    float value;
    if (!table)
        return;
    if (!has_weights(table) || table->shape[1] != w->width || w->width % 2 || half < 2) {
        look->result = complain(look->complaint, -EINVAL,
                                "model.bin: '%s' is not of floats or not as wide as the network, "
                                "%" PRIu32,
                                table->name, w->width);
        return;
    }
    for (uint64_t k = 0; k < table->count; k++) {
        uint64_t t = k / w->width, i = k % w->width;
        double angle = (double)t * exp(-log(10000) * (double)(i % half) / (half - 1));
        ct2_read(table, k, 1, &value);
        if (!(fabs((i < half ? sin(angle) : cos(angle)) - (double)value) < POSITION_TOLERANCE)) {
            look->result = complain(look->complaint, -EINVAL,
                                    "model.bin: '%s' holds %g for position %" PRIu64
                                    ", expected Whisper's sinusoids",
                                    table->name, (double)value, t);
            return;
        }
    }
}

/* Logits are the embedding times x: a projection of its own has no place in the file. */
static void check_projection(struct look *look)
{
    const struct ct2_tensor *embedding = find(look, "decoder/embeddings/weight");
    const struct ct2_tensor *projection = find(look, "decoder/projection/weight");
    if (look->result < 0 || projection->data == embedding->data)
        return;
    if (projection->type != embedding->type || projection->count != embedding->count ||
        !has_weights(embedding) ||
        memcmp(projection->data, embedding->data,
               embedding->count * (embedding->type == CT2_F32 ? 4 : 2)) != 0)
        look->result = complain(look->complaint, -EINVAL,
                                "model.bin: 'decoder/projection/weight' is not the embedding, "
                                "expected the same weights");
}

static uint32_t read_heads(struct look *look, uint32_t width)
{
    int32_t listener = scalar(look, "encoder/num_heads");
    int32_t speller = scalar(look, "decoder/num_heads");
    if (look->result == 0 && (listener != speller || listener < 1 ||
                              listener > (int32_t)MAX_HEADS || width % (uint32_t)listener))
        look->result = complain(look->complaint, -EINVAL,
                                "model.bin: %" PRId32 " and %" PRId32 " heads, expected the same "
                                "number, from 1 to %u, that divides the width %" PRIu32,
                                listener, speller, MAX_HEADS, width);
    return look->result < 0 ? 1 : (uint32_t)listener;
}

int whisper_read(struct whisper *whisper, const struct ct2 *ct2, struct complaint *complaint)
{
    struct look look = {ct2, complaint, 0};
    if (strcmp(ct2->specification, SPECIFICATION) != 0)
        return complain(complaint, -EINVAL, "model.bin: a model of kind '%.60s', expected %s",
                        ct2->specification, SPECIFICATION);
    struct whisper w = {
        .mels = dimension(&look, "encoder/conv1/weight", 3, 1, MAX_MELS),
        .width = dimension(&look, "encoder/conv1/weight", 3, 0, MAX_WIDTH),
        .mlp = dimension(&look, "encoder/layer_0/ffn/linear_0/weight", 2, 0, 65536),
        .listener_layers = count_layers(&look, "encoder"),
        .listener_positions = dimension(&look, "encoder/position_encodings/encodings", 2, 0, 65536),
        .speller_layers = count_layers(&look, "decoder"),
        .speller_positions = dimension(&look, "decoder/position_encodings/encodings", 2, 0, 65536),
        .vocabulary = dimension(&look, "decoder/embeddings/weight", 2, 0, 1000000),
    };
    w.heads = read_heads(&look, w.width);
    w.multilingual = w.vocabulary >= MULTILINGUAL_VOCABULARY;
    check_switches(&look);
    check_positions(&look, &w);
    check_projection(&look);
    *whisper = w;
    return look.result;
}
