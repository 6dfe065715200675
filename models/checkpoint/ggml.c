// SPDX-License-Identifier: MIT
#include "models/checkpoint/ggml.h"

#include "models/checkpoint/byte_reader.h"
#include "models/checkpoint/whisper_known.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       0x67676d6cu /* "ggml" as a number */
#define MAX_MELS    512u
#define MAX_TEXT    1000000u
#define QUANTIZED_2 2u    /* the version of quantized blocks with half precision scales */
#define VERSION_BY  1000u /* ftype = version · 1000 + type */
#define END_OF_TEXT "<|endoftext|>"

/* The numbers at the start, in the file's order. */
enum {
    VOCABULARY,
    LISTENER_POSITIONS,
    LISTENER_WIDTH,
    LISTENER_HEADS,
    LISTENER_LAYERS,
    SPELLER_POSITIONS,
    SPELLER_WIDTH,
    SPELLER_HEADS,
    SPELLER_LAYERS,
    MELS,
    FILE_TYPE,
    NUMBERS
};

static const char *const number_names[NUMBERS] = {
    "n_vocab",      "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx",
    "n_text_state", "n_text_head", "n_text_layer",  "n_mels",       "ftype",
};

struct walk {
    struct byte_reader reader;
    struct checkpoint *checkpoint;
    uint32_t numbers[NUMBERS];
};

bool ggml_begins(const uint8_t *data, size_t size)
{
    uint32_t magic = 0;
    if (size < sizeof(magic))
        return false;
    memcpy(&magic, data, sizeof(magic));
    return magic == MAGIC;
}

/* From `lowest` to `highest`; `lowest` after an error. */
static uint32_t take_number(struct walk *w, const char *what, uint32_t lowest, uint32_t highest)
{
    uint32_t value = byte_reader_u32(&w->reader, what);
    if (w->reader.result < 0)
        return lowest;
    if (value >= lowest && value <= highest)
        return value;
    w->reader.result = hearken_fail(w->reader.error, -EINVAL,
                                    "%s: %s is %" PRId32 ", expected %" PRIu32 " to %" PRIu32,
                                    w->reader.path, what, (int32_t)value, lowest, highest);
    return lowest;
}

static void take_numbers(struct walk *w)
{
    byte_reader_take(&w->reader, sizeof(uint32_t), "the magic");
    for (uint32_t i = 0; i < NUMBERS; i++)
        w->numbers[i] = take_number(w, number_names[i], i == FILE_TYPE ? 0 : 1, MAX_TEXT);
    w->checkpoint->listener_heads = w->numbers[LISTENER_HEADS];
    w->checkpoint->speller_heads = w->numbers[SPELLER_HEADS];
}

static void take_filters(struct walk *w)
{
    uint32_t mels = take_number(w, "the number of mel bands", 1, MAX_MELS);
    take_number(w, "the number of frequencies", FREQUENCY_BINS, FREQUENCY_BINS);
    size_t count = (size_t)mels * FREQUENCY_BINS;
    const uint8_t *data = byte_reader_take(&w->reader, count * sizeof(float), "the mel filters");
    if (!data)
        return;
    float *filters = malloc(count * sizeof(*filters));
    if (!filters) {
        w->reader.result = hearken_fail(w->reader.error, -ENOMEM, "out of memory");
        return;
    }
    memcpy(filters, data, count * sizeof(*filters));
    w->checkpoint->mel_filters = filters;
    w->checkpoint->mel_bands = mels;
    for (size_t i = 0; w->reader.result == 0 && i < count; i++)
        if (!isfinite(filters[i]))
            w->reader.result = hearken_fail(w->reader.error, -EINVAL,
                                            "%s: the mel filters hold %g, expected finite numbers",
                                            w->reader.path, (double)filters[i]);
}

/* Reads the text tokens, as bytes; in some files the last one is the end of text. */
static void take_tokens(struct walk *w)
{
    uint32_t count = take_number(w, "the number of tokens", 1, w->numbers[VOCABULARY]);
    for (uint32_t i = 0; w->reader.result == 0 && i < count; i++) {
        uint32_t length = take_number(w, "the length of a token", 0, MAX_TEXT);
        const uint8_t *bytes = byte_reader_take(&w->reader, length, "a token");
        bool is_end =
            bytes && length == strlen(END_OF_TEXT) && memcmp(bytes, END_OF_TEXT, length) == 0;
        if (bytes && !is_end)
            w->reader.result =
                tokens_add_bytes(&w->checkpoint->tokens, bytes, length, w->reader.error);
        else if (is_end && i + 1 != count)
            w->reader.result = hearken_fail(w->reader.error, -EINVAL,
                                            "%s: token %" PRIu32 " of %" PRIu32 " is " END_OF_TEXT
                                            ", expected it last",
                                            w->reader.path, i, count);
    }
    if (w->reader.result == 0)
        w->reader.result =
            tokens_add_special(&w->checkpoint->tokens, w->numbers[VOCABULARY], w->reader.error);
}

static bool known_type(uint32_t number, enum value_type *type)
{
    static const struct {
        uint32_t number; /* ggml's */
        enum value_type type;
    } types[] = {
        {0, VALUE_F32},  {1, VALUE_F16},  {2, VALUE_Q4_0}, {3, VALUE_Q4_1},
        {6, VALUE_Q5_0}, {7, VALUE_Q5_1}, {8, VALUE_Q8_0},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i].number == number) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static void set_type(struct walk *w, struct checkpoint_tensor *tensor, uint32_t number)
{
    if (!known_type(number, &tensor->type))
        w->reader.result =
            hearken_fail(w->reader.error, -EINVAL,
                         "%s: '%s' has type %" PRIu32 ", expected F32 (0), F16 (1), Q4_0 (2), "
                         "Q4_1 (3), Q5_0 (6), Q5_1 (7) or Q8_0 (8)",
                         w->reader.path, tensor->name, number);
    else if (value_is_quantized(tensor->type) && w->numbers[FILE_TYPE] / VERSION_BY != QUANTIZED_2)
        w->reader.result = hearken_fail(
            w->reader.error, -EINVAL, "%s: '%s' is quantized in version %" PRIu32 ", expected %u",
            w->reader.path, tensor->name, w->numbers[FILE_TYPE] / VERSION_BY, QUANTIZED_2);
}

static void take_tensor(struct walk *w)
{
    struct checkpoint_tensor tensor = {.name = ""};
    uint64_t bytes = 0;
    tensor.rank = take_number(w, "a tensor's rank", 1, CHECKPOINT_MAX_RANK);
    uint32_t length = take_number(w, "the length of a tensor's name", 1, CHECKPOINT_MAX_NAME - 1);
    uint32_t type = take_number(w, "a tensor's type", 0, INT32_MAX);
    for (uint32_t i = 0; i < tensor.rank; i++) /* innermost first */
        tensor.shape[tensor.rank - 1 - i] = take_number(w, "a tensor's shape", 1, INT32_MAX);
    const uint8_t *name = byte_reader_take(&w->reader, length, "a tensor's name");
    if (!name)
        return;
    memcpy(tensor.name, name, length);
    set_type(w, &tensor, type);
    if (w->reader.result < 0)
        return;
    tensor.data = w->reader.at;
    w->reader.result =
        checkpoint_add(w->checkpoint, w->reader.path, &tensor,
                       (uint64_t)(w->reader.end - w->reader.at), &bytes, w->reader.error);
    w->reader.at += bytes;
}

/* Checks that the header's numbers match the tensors. */
static void check_number(struct walk *w, uint32_t which, const char *name, uint32_t dimension)
{
    const struct checkpoint_tensor *tensor = checkpoint_find(w->checkpoint, name);
    if (w->reader.result == 0 && tensor && tensor->shape[dimension] != w->numbers[which])
        w->reader.result = hearken_fail(
            w->reader.error, -EINVAL, "%s: %s is %" PRIu32 ", but '%s' has %" PRIu64,
            w->reader.path, number_names[which], w->numbers[which], name, tensor->shape[dimension]);
}

static void check_layers(struct walk *w, uint32_t which, const char *part)
{
    char name[CHECKPOINT_MAX_NAME];
    snprintf(name, sizeof(name), "%s.blocks.%" PRIu32 ".mlp.0.weight", part, w->numbers[which]);
    if (w->reader.result == 0 && checkpoint_find(w->checkpoint, name))
        w->reader.result =
            hearken_fail(w->reader.error, -EINVAL, "%s: %s is %" PRIu32 ", but there is '%s'",
                         w->reader.path, number_names[which], w->numbers[which], name);
    snprintf(name, sizeof(name), "%s.blocks.%" PRIu32 ".mlp.0.weight", part, w->numbers[which] - 1);
    if (w->reader.result == 0 && !checkpoint_find(w->checkpoint, name))
        w->reader.result =
            hearken_fail(w->reader.error, -EINVAL, "%s: %s is %" PRIu32 ", but '%s' is missing",
                         w->reader.path, number_names[which], w->numbers[which], name);
}

static void check_numbers(struct walk *w)
{
    check_number(w, VOCABULARY, "decoder.token_embedding.weight", 0);
    check_number(w, LISTENER_POSITIONS, "encoder.positional_embedding", 0);
    check_number(w, LISTENER_WIDTH, "encoder.positional_embedding", 1);
    check_number(w, SPELLER_POSITIONS, "decoder.positional_embedding", 0);
    check_number(w, SPELLER_WIDTH, "decoder.positional_embedding", 1);
    check_number(w, MELS, "encoder.conv1.weight", 1);
    check_layers(w, LISTENER_LAYERS, "encoder");
    check_layers(w, SPELLER_LAYERS, "decoder");
}

int ggml_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
              struct hearken_error *error)
{
    struct walk w = {
        .reader = {.start = mapping.data,
                   .at = mapping.data,
                   .end = mapping.data + mapping.size,
                   .path = path,
                   .error = error},
        .checkpoint = checkpoint,
    };
    checkpoint->format = "whisper.cpp";
    take_numbers(&w);
    if (w.reader.result == 0)
        take_filters(&w);
    if (w.reader.result == 0)
        take_tokens(&w);
    while (w.reader.result == 0 && w.reader.at < w.reader.end)
        take_tensor(&w);
    if (w.reader.result == 0 && (w.reader.result = tokens_index(&checkpoint->tokens, error)) == 0 &&
        (w.reader.result = checkpoint_sort(checkpoint, path, error)) == 0)
        check_numbers(&w);
    return w.reader.result;
}
