// SPDX-License-Identifier: MIT
#include "models/file/model_parameters.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARCHITECTURE "hearken-las"

/* The frame length that the front end supports. */
#define FFT 400u
#define HOP 160u

/* Bounds above any real network, such that no product of two of them overflows. */
#define MAX_WIDTH      8192u
#define MAX_HEADS      64u /* alignment_heads is a set of 64 */
#define MAX_MLP        65536u
#define MAX_MELS       512u
#define MAX_POSITIONS  65536u
#define MAX_VOCABULARY 1000000u
#define MAX_PADDING    30.0f

/* Default of hearken.listener.padding, in seconds. */
#define WINDOW_PADDING 1.0f

static const struct gguf_entry *find_number(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    return entry && !entry->is_array && entry->type != GGUF_STRING ? entry : NULL;
}

static int read_integer(const struct gguf *gguf, const char *key, uint32_t lowest, uint32_t highest,
                        uint32_t *value, struct hearken_error *error)
{
    const struct gguf_entry *entry = find_number(gguf, key);
    if (!entry)
        return hearken_fail(error, -EINVAL, "%s is %s, expected a whole number from %u to %u", key,
                            gguf_find_entry(gguf, key) ? "no number" : "missing", lowest, highest);
    double number = gguf_number(entry, 0);
    if (!(number >= lowest && number <= highest) || number != floor(number))
        return hearken_fail(error, -EINVAL, "%s is %g, expected a whole number from %u to %u", key,
                            number, lowest, highest);
    *value = (uint32_t)number;
    return 0;
}

static int read_optional(const struct gguf *gguf, const char *key, uint32_t fallback,
                         uint32_t lowest, uint32_t highest, uint32_t *value,
                         struct hearken_error *error)
{
    *value = fallback;
    return gguf_find_entry(gguf, key) ? read_integer(gguf, key, lowest, highest, value, error) : 0;
}

static int read_real(const struct gguf *gguf, const char *key, float fallback, float *value,
                     struct hearken_error *error)
{
    *value = fallback;
    if (!gguf_find_entry(gguf, key))
        return 0;
    const struct gguf_entry *entry = find_number(gguf, key);
    double number = entry ? gguf_number(entry, 0) : NAN;
    if (!(fabs(number) < 1e6))
        return hearken_fail(error, -EINVAL, "%s is %g, expected a number below a million", key,
                            number);
    *value = (float)number;
    return 0;
}

static bool string_is(const struct gguf_entry *entry, const char *text)
{
    if (!entry || entry->type != GGUF_STRING || entry->is_array)
        return false;
    struct gguf_string string = gguf_string(entry);
    return string.length == strlen(text) && memcmp(string.data, text, string.length) == 0;
}

static int check_architecture(const struct gguf *gguf, struct hearken_error *error)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, "general.architecture");
    if (string_is(entry, ARCHITECTURE))
        return 0;
    struct gguf_string found = {"missing", 7};
    if (entry && entry->type == GGUF_STRING && !entry->is_array)
        found = gguf_string(entry);
    return hearken_fail(error, -EINVAL, "general.architecture is %.*s, expected " ARCHITECTURE,
                        (int)(found.length > 60 ? 60 : found.length), found.data);
}

static int read_features(struct feature_parameters *f, const struct gguf *gguf,
                         struct hearken_error *error)
{
    uint32_t rate = 0;
    int result;
    if ((result = read_integer(gguf, "hearken.features.sample_rate", HEARKEN_RATE, HEARKEN_RATE,
                               &rate, error)) < 0 ||
        (result = read_integer(gguf, "hearken.features.fft", FFT, FFT, &f->fft, error)) < 0 ||
        (result = read_integer(gguf, "hearken.features.hop", HOP, HOP, &f->hop, error)) < 0 ||
        (result = read_integer(gguf, "hearken.features.mels", 1, MAX_MELS, &f->mels, error)) < 0 ||
        (result = read_real(gguf, "hearken.features.floor", -10, &f->floor, error)) < 0 ||
        (result = read_real(gguf, "hearken.features.shift", 4, &f->shift, error)) < 0 ||
        (result = read_real(gguf, "hearken.features.scale", 4, &f->scale, error)) < 0 ||
        (result = read_real(gguf, "hearken.features.below_maximum", 0, &f->below_maximum, error)) <
            0 ||
        (result = read_optional(gguf, "hearken.features.window", 0, 0, MAX_POSITIONS, &f->window,
                                error)) < 0)
        return result;
    if (f->scale == 0)
        return hearken_fail(error, -EINVAL, "hearken.features.scale is 0, expected another number");
    if (f->below_maximum < 0)
        return hearken_fail(error, -EINVAL,
                            "hearken.features.below_maximum is %g, expected 0 or more",
                            (double)f->below_maximum);
    return 0;
}

static int check_heads(const char *part, uint32_t width, uint32_t heads,
                       struct hearken_error *error)
{
    if (width % heads == 0)
        return 0;
    return hearken_fail(error, -EINVAL, "hearken.%s: width %u does not divide by %u heads", part,
                        width, heads);
}

static int read_padding(struct parameters *p, const struct gguf *gguf, struct hearken_error *error)
{
    float *padding = &p->listener.padding;
    int result = read_real(gguf, "hearken.listener.padding",
                           p->features.window > 0 ? WINDOW_PADDING : 0, padding, error);
    if (result == 0 && !(*padding >= 0 && *padding <= MAX_PADDING))
        result =
            hearken_fail(error, -EINVAL, "hearken.listener.padding is %g, expected 0 to %g seconds",
                         (double)*padding, (double)MAX_PADDING);
    return result;
}

static int read_listener(struct listener_parameters *l, const struct gguf *gguf,
                         struct hearken_error *error)
{
    int result;
    if ((result = read_integer(gguf, "hearken.listener.width", 4, MAX_WIDTH, &l->width, error)) <
            0 ||
        (result = read_integer(gguf, "hearken.listener.heads", 1, MAX_HEADS, &l->heads, error)) <
            0 ||
        (result = read_integer(gguf, "hearken.listener.layers", 1, MAX_LAYERS, &l->layers, error)) <
            0 ||
        (result = read_optional(gguf, "hearken.listener.mlp", 4 * l->width, 1, MAX_MLP, &l->mlp,
                                error)) < 0 ||
        (result = read_integer(gguf, "hearken.listener.positions", 2, MAX_POSITIONS, &l->positions,
                               error)) < 0 ||
        (result = read_optional(gguf, "hearken.listener.pyramid", 1, 1, 2, &l->pyramid, error)) <
            0 ||
        (result = read_optional(gguf, "hearken.listener.memory_width", l->width, 1, MAX_WIDTH,
                                &l->memory_width, error)) < 0 ||
        (result = read_optional(gguf, "hearken.listener.chunk", 0, 0, MAX_POSITIONS, &l->chunk,
                                error)) < 0 ||
        (result = read_optional(gguf, "hearken.listener.half_positions", 0, 0, 1,
                                &l->half_positions, error)) < 0)
        return result;
    if (l->width % 2)
        return hearken_fail(error, -EINVAL, "hearken.listener.width is %u, expected an even number",
                            l->width);
    if (l->chunk % l->pyramid)
        return hearken_fail(error, -EINVAL,
                            "hearken.listener.chunk is %u, expected a multiple of the pyramid's %u",
                            l->chunk, l->pyramid);
    if (l->pyramid == 1 && l->memory_width != l->width)
        return hearken_fail(error, -EINVAL,
                            "hearken.listener.memory_width is %u, expected the width %u where "
                            "there is no pyramid",
                            l->memory_width, l->width);
    return check_heads("listener", l->width, l->heads, error);
}

static int read_kind(enum speller_kind *kind, const struct gguf *gguf, struct hearken_error *error)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, "hearken.speller.kind");
    if (!entry || string_is(entry, "lstm"))
        *kind = SPELLER_RECURRENT;
    else if (string_is(entry, "transformer"))
        *kind = SPELLER_TRANSFORMER;
    else
        return hearken_fail(error, -EINVAL,
                            "hearken.speller.kind is unknown, expected lstm or transformer");
    return 0;
}

static int read_vocabulary_size(uint32_t *size, const struct gguf *gguf,
                                struct hearken_error *error)
{
    const struct gguf_entry *tokens = gguf_find_entry(gguf, "tokenizer.ggml.tokens");
    if (!tokens || !tokens->is_array || tokens->type != GGUF_STRING || tokens->count < 2 ||
        tokens->count > MAX_VOCABULARY)
        return hearken_fail(error, -EINVAL,
                            "tokenizer.ggml.tokens is missing or not an array of 2 to %u strings",
                            MAX_VOCABULARY);
    *size = (uint32_t)tokens->count;
    return 0;
}

/* The heads that the file lists as layer · heads + head, or by default all of the last layer. */
static int read_alignment_heads(struct speller_parameters *s, const struct gguf *gguf,
                                struct hearken_error *error)
{
    uint32_t *heads = NULL;
    size_t count = 0;
    int result = parameters_read_tokens(gguf, "hearken.speller.alignment_heads",
                                        s->layers * s->heads, &heads, &count, error);
    for (size_t i = 0; i < count; i++)
        s->alignment_heads[heads[i] / s->heads] |= UINT64_C(1) << heads[i] % s->heads;
    s->follows_sound = count > 0;
    if (result == 0 && count == 0)
        s->alignment_heads[s->layers - 1] = UINT64_MAX >> (64 - s->heads);
    free(heads);
    return result;
}

static int read_start_tokens(struct speller_parameters *s, const struct gguf *gguf,
                             struct hearken_error *error)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    int result = parameters_read_tokens(gguf, "hearken.speller.start", s->vocabulary, &tokens,
                                        &count, error);
    if (result == 0 && count > MAX_START_TOKENS)
        result = hearken_fail(error, -EINVAL,
                              "hearken.speller.start has %zu tokens, expected at most %u", count,
                              MAX_START_TOKENS);
    if (result == 0 && count > 0) {
        memcpy(s->start, tokens, count * sizeof(*tokens));
        s->start_count = (uint32_t)count;
    } else if (result == 0) {
        s->start_count = 1;
        result = read_integer(gguf, "tokenizer.ggml.bos_token_id", 0, s->vocabulary - 1, s->start,
                              error);
    }
    free(tokens);
    return result;
}

static int read_speller(struct speller_parameters *s, const struct gguf *gguf,
                        struct hearken_error *error)
{
    int result;
    if ((result = read_kind(&s->kind, gguf, error)) < 0 ||
        (result = read_vocabulary_size(&s->vocabulary, gguf, error)) < 0 ||
        (result = read_integer(gguf, "hearken.speller.width", 4, MAX_WIDTH, &s->width, error)) <
            0 ||
        (result = read_integer(gguf, "hearken.speller.heads", 1, MAX_HEADS, &s->heads, error)) <
            0 ||
        (result = read_integer(gguf, "hearken.speller.layers", 1, MAX_LAYERS, &s->layers, error)) <
            0 ||
        (result = check_heads("speller", s->width, s->heads, error)) < 0)
        return result;
    bool has_mlp = s->kind == SPELLER_TRANSFORMER;
    if ((result = read_optional(gguf, "hearken.speller.mlp", has_mlp ? 4 * s->width : 0, has_mlp,
                                MAX_MLP, &s->mlp, error)) < 0)
        return result;
    if (s->kind == SPELLER_TRANSFORMER &&
        (result = read_integer(gguf, "hearken.speller.positions", MAX_START_TOKENS + 1,
                               MAX_POSITIONS, &s->positions, error)) < 0)
        return result;
    uint32_t last = s->vocabulary - 1;
    if ((result = read_start_tokens(s, gguf, error)) < 0 ||
        (result = read_integer(gguf, "tokenizer.ggml.eos_token_id", 0, last, &s->end, error)) < 0 ||
        (result = read_optional(gguf, "hearken.speller.no_speech_token", NO_TOKEN, 0, last,
                                &s->no_speech, error)) < 0 ||
        (result = read_optional(gguf, "tokenizer.ggml.blank_token_id", NO_TOKEN, 0, last, &s->blank,
                                error)) < 0)
        return result;
    return read_alignment_heads(s, gguf, error);
}

int parameters_read_tokens(const struct gguf *gguf, const char *key, uint32_t vocabulary,
                           uint32_t **tokens, size_t *count, struct hearken_error *error)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    *tokens = NULL;
    *count = 0;
    if (!entry)
        return 0;
    if (!entry->is_array || (entry->type != GGUF_U32 && entry->type != GGUF_I32) ||
        entry->count > vocabulary)
        return hearken_fail(error, -EINVAL,
                            "%s is not an array of at most %u numbers of type u32 or i32", key,
                            vocabulary);
    uint32_t *list = calloc(entry->count + 1, sizeof(*list));
    if (!list)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (uint64_t i = 0; i < entry->count; i++) {
        double number = gguf_number(entry, i);
        if (!(number >= 0 && number < vocabulary)) {
            free(list);
            return hearken_fail(error, -EINVAL, "%s holds %g, expected 0 to %u", key, number,
                                vocabulary - 1);
        }
        list[i] = (uint32_t)number;
    }
    *tokens = list;
    *count = entry->count;
    return 0;
}

int parameters_read(struct parameters *parameters, const struct gguf *gguf,
                    struct hearken_error *error)
{
    int result;
    *parameters = (struct parameters){.has_ctc = gguf_find_tensor(gguf, "ctc.weight")};
    if ((result = check_architecture(gguf, error)) < 0 ||
        (result = read_features(&parameters->features, gguf, error)) < 0 ||
        (result = read_listener(&parameters->listener, gguf, error)) < 0 ||
        (result = read_padding(parameters, gguf, error)) < 0 ||
        (result = read_speller(&parameters->speller, gguf, error)) < 0)
        return result;
    if (parameters->has_ctc && parameters->speller.blank == NO_TOKEN)
        return hearken_fail(error, -EINVAL,
                            "tokenizer.ggml.blank_token_id is missing, expected where there is a "
                            "CTC head");
    return 0;
}
