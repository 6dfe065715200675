// SPDX-License-Identifier: MIT
#include "tests/unit/common/make_model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct hearken_backend_options reference_backend = {.struct_size = sizeof(reference_backend),
                                                          .backend = "reference"};

/* ---- Random numbers ---- */

/* SplitMix64 (Steele et al., 2014, "Fast Splittable Pseudorandom Number Generators"). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return ((double)(next_random(state) >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller, 1958. */
static float normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(uniform(state)));
    return (float)(radius * cos(2 * 3.14159265358979323846 * uniform(state)));
}

/* ---- Parts ---- */

struct maker {
    struct made_file file;
    uint64_t state;
};

static void add(struct maker *m, const char *name, const uint64_t *shape, float mean, double scale)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < GGUF_MAX_RANK && shape[i] > 0; i++)
        count *= shape[i];
    float *values = malloc(count * sizeof(*values));
    for (uint64_t i = 0; i < count; i++)
        values[i] = mean + (float)scale * normal(&m->state);
    made_tensor(&m->file, name, GGUF_TENSOR_F32, shape, values, count * sizeof(*values));
    free(values);
}

HEARKEN_PRINTF(4, 5)
static void vector(struct maker *m, uint32_t width, float mean, const char *format, ...)
{
    char name[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    add(m, name, (uint64_t[4]){width}, mean, 0.2);
}

static void norm(struct maker *m, const char *prefix, const char *part, uint32_t width)
{
    vector(m, width, 1, "%s%s.weight", prefix, part);
    vector(m, width, 0, "%s%s.bias", prefix, part);
}

/* Input of variance 1 gives output of variance gain². */
static void linear(struct maker *m, const char *prefix, const char *part, uint32_t outputs,
                   uint32_t inputs, double gain)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s.weight", prefix, part);
    add(m, name, (uint64_t[4]){inputs, outputs}, 0, gain / sqrt(inputs));
    vector(m, outputs, 0, "%s%s.bias", prefix, part);
}

static void convolution(struct maker *m, const char *part, uint32_t outputs, uint32_t inputs)
{
    char name[128];
    snprintf(name, sizeof(name), "listener.%s.weight", part);
    add(m, name, (uint64_t[4]){3, inputs, outputs}, 0, 2 / sqrt(3.0 * inputs));
    vector(m, outputs, 0, "listener.%s.bias", part);
}

/* A Hann window and filters of one width. */
static void features(struct maker *m, const struct model_shape *shape)
{
    float window[400], *filters = calloc((size_t)shape->mels * 201, sizeof(*filters));
    for (uint32_t i = 0; i < 400; i++)
        window[i] = (float)(0.5 - 0.5 * cos(2 * 3.14159265358979323846 * i / 400));
    for (uint32_t bin = 0; bin < 201; bin++)
        filters[(size_t)(bin * shape->mels / 201) * 201 + bin] = 0.01f;
    made_tensor(&m->file, "features.window", GGUF_TENSOR_F32, (uint64_t[4]){400}, window,
                sizeof(window));
    made_tensor(&m->file, "features.mel_filters", GGUF_TENSOR_F32, (uint64_t[4]){201, shape->mels},
                filters, (size_t)shape->mels * 201 * sizeof(*filters));
    free(filters);
}

static void listener(struct maker *m, const struct model_shape *s)
{
    convolution(m, "conv1", s->width, s->mels);
    convolution(m, "conv2", s->width, s->width);
    for (uint32_t i = 0; i < s->layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof(prefix), "listener.block.%u.", i);
        norm(m, prefix, "attention_norm", s->width);
        linear(m, prefix, "qkv", 3 * s->width, s->width, 1.3);
        linear(m, prefix, "attention_out", s->width, s->width, 1.2);
        norm(m, prefix, "mlp_norm", s->width);
        linear(m, prefix, "mlp_up", s->mlp, s->width, 1.5);
        linear(m, prefix, "mlp_down", s->width, s->mlp, 1);
    }
    norm(m, "listener.", "norm", s->width);
    if (s->pyramid > 1)
        linear(m, "listener.", "pyramid", s->memory_width, s->pyramid * s->width, 1.2);
    if (s->ctc)
        linear(m, "", "ctc", s->token_count, s->memory_width, 3);
}

static void attention(struct maker *m, const char *prefix, const struct model_shape *s)
{
    norm(m, prefix, "attention_norm", s->speller_width);
    linear(m, prefix, "attention_query", s->speller_width, s->speller_width, 1.8);
    linear(m, prefix, "attention_key", s->speller_width, s->memory_width, 1.8);
    linear(m, prefix, "attention_value", s->speller_width, s->memory_width, 1);
    linear(m, prefix, "attention_out", s->speller_width, s->speller_width, 1);
}

static void mlp(struct maker *m, const char *prefix, const struct model_shape *s)
{
    norm(m, prefix, "mlp_norm", s->speller_width);
    linear(m, prefix, "mlp_up", s->speller_mlp, s->speller_width, 2);
    linear(m, prefix, "mlp_down", s->speller_width, s->speller_mlp, 2);
}

static void recurrent_speller(struct maker *m, const struct model_shape *s)
{
    for (uint32_t i = 0; i < s->speller_layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof(prefix), "speller.layer.%u.", i);
        norm(m, prefix, "lstm_norm", s->speller_width);
        linear(m, prefix, "lstm_input", 4 * s->speller_width, s->speller_width, 4);
        linear(m, prefix, "lstm_hidden", 4 * s->speller_width, s->speller_width, 9);
        attention(m, prefix, s);
        if (s->speller_mlp > 0)
            mlp(m, prefix, s);
    }
    add(m, "speller.embedding.weight", (uint64_t[4]){s->speller_width, s->token_count}, 0,
        0.5 / sqrt(s->speller_width));
    norm(m, "speller.", "norm", s->speller_width);
    linear(m, "speller.", "projection", s->speller_width, s->speller_width, 6);
    vector(m, s->token_count, 0, "speller.bias");
}

static void transformer_speller(struct maker *m, const struct model_shape *s)
{
    for (uint32_t i = 0; i < s->speller_layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof(prefix), "speller.layer.%u.", i);
        norm(m, prefix, "self_norm", s->speller_width);
        linear(m, prefix, "self_qkv", 3 * s->speller_width, s->speller_width, 1.4);
        linear(m, prefix, "self_out", s->speller_width, s->speller_width, 1.5);
        attention(m, prefix, s);
        mlp(m, prefix, s);
    }
    add(m, "speller.positions", (uint64_t[4]){s->speller_width, s->speller_positions}, 0, 1);
    add(m, "speller.embedding.weight", (uint64_t[4]){s->speller_width, s->token_count}, 0,
        2 / sqrt(s->speller_width));
    norm(m, "speller.", "norm", s->speller_width);
}

/* ---- Metadata ---- */

static void shared_keys(struct maker *m, const struct model_shape *s)
{
    const struct {
        const char *key;
        uint32_t value;
    } keys[] = {
        {"hearken.features.sample_rate", 16000},
        {"hearken.features.fft", 400},
        {"hearken.features.hop", 160},
        {"hearken.features.mels", s->mels},
        {"hearken.listener.width", s->width},
        {"hearken.listener.heads", s->heads},
        {"hearken.listener.layers", s->layers},
        {"hearken.listener.mlp", s->mlp},
        {"hearken.listener.positions", s->positions},
        {"hearken.listener.pyramid", s->pyramid},
        {"hearken.listener.memory_width", s->memory_width},
        {"hearken.listener.chunk", s->chunk},
        {"hearken.speller.width", s->speller_width},
        {"hearken.speller.heads", s->speller_heads},
        {"hearken.speller.layers", s->speller_layers},
    };
    made_string(&m->file, "general.architecture", "hearken-las");
    made_string(&m->file, "general.name", "random");
    made_string(&m->file, "general.description", "Random weights for tests");
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        made_number(&m->file, keys[i].key, GGUF_U32, keys[i].value);
    made_number(&m->file, "hearken.features.floor", GGUF_F32, -7);
    made_number(&m->file, "hearken.features.shift", GGUF_F32, 4);
    made_number(&m->file, "hearken.features.scale", GGUF_F32, 4);
    made_strings(&m->file, "tokenizer.ggml.tokens", s->tokens, s->token_count);
}

static void recurrent_keys(struct maker *m, const struct model_shape *s)
{
    if (s->speller_mlp > 0)
        made_number(&m->file, "hearken.speller.mlp", GGUF_U32, s->speller_mlp);
    made_string(&m->file, "hearken.speller.kind", "lstm");
    made_string(&m->file, "tokenizer.ggml.model", "hearken-bpe");
    made_number(&m->file, "tokenizer.ggml.blank_token_id", GGUF_U32, 0);
    made_number(&m->file, "tokenizer.ggml.bos_token_id", GGUF_U32, 1);
    made_number(&m->file, "tokenizer.ggml.eos_token_id", GGUF_U32, 2);
    made_number(&m->file, "tokenizer.ggml.unknown_token_id", GGUF_U32, 3);
}

static void transformer_keys(struct maker *m, const struct model_shape *s)
{
    double types[1024] = {3, 3, 3, 3};
    for (uint32_t i = SPECIAL_TOKENS; i < s->token_count && i < 1024; i++)
        types[i] = 1;
    made_string(&m->file, "hearken.speller.kind", "transformer");
    made_number(&m->file, "hearken.speller.mlp", GGUF_U32, s->speller_mlp);
    made_number(&m->file, "hearken.speller.positions", GGUF_U32, s->speller_positions);
    made_numbers(&m->file, "hearken.speller.start", GGUF_U32, (const double[]){1, 2}, 2);
    made_number(&m->file, "hearken.speller.no_speech_token", GGUF_U32, 3);
    made_string(&m->file, "tokenizer.ggml.model", "gpt2");
    made_numbers(&m->file, "tokenizer.ggml.token_type", GGUF_I32, types, s->token_count);
    made_number(&m->file, "tokenizer.ggml.eos_token_id", GGUF_U32, 0);
}

/* ---- Models ---- */

#define WORD  "\xe2\x96\x81" /* before a word, in pieces */
#define SPACE "\xc4\xa0"     /* the byte of a space, as GPT-2 writes it */

struct model_shape recurrent_shape(uint32_t seed)
{
    static const char *const tokens[] = {
        "<blank>",  "<s>",      "</s>",    "<unk>",    WORD "the", WORD "a",   WORD "to",
        WORD "he",  WORD "is",  "s",       "ing",      "ed",       "er",       "n",
        "t",        WORD "w",   WORD "no", WORD "you", ".",        "'",        "e",
        WORD "yes", WORD "one", "y",       WORD "I",   "ly",       WORD "two", ",",
    };
    return (struct model_shape){
        .kind = SPELLER_RECURRENT,
        .seed = seed,
        .mels = 20,
        .width = 16,
        .heads = 2,
        .layers = 2,
        .mlp = 24,
        .positions = 150, /* 3 seconds */
        .pyramid = 2,
        .memory_width = 18,
        .chunk = 8,
        .speller_width = 12,
        .speller_heads = 3,
        .speller_layers = 2,
        .speller_mlp = seed % 2 ? 0 : 24,
        .ctc = true,
        .tokens = tokens,
        .token_count = sizeof(tokens) / sizeof(*tokens),
    };
}

struct model_shape transformer_shape(uint32_t seed)
{
    static const char *const tokens[] = {
        "<|endoftext|>",
        "<|startoftranscript|>",
        "<|en|>",
        "<|nospeech|>",
        SPACE "the",
        SPACE "a",
        SPACE "to",
        SPACE "caf\xc3\x83\xc2\xa9",
        "\xc3\xa2", /* the bytes e2 80 a6, an ellipsis */
        "\xc4\xa2",
        "\xc2\xa6",
        "s",
        "ing",
        "er",
        "n",
        SPACE "is",
        SPACE "you",
        ".",
        ",",
        SPACE,
    };
    return (struct model_shape){
        .kind = SPELLER_TRANSFORMER,
        .seed = seed,
        .mels = 12,
        .width = 20,
        .heads = 5,
        .layers = 1,
        .mlp = 28,
        .positions = 150,
        .pyramid = 1,
        .memory_width = 20,
        .chunk = 0,
        .speller_width = 24,
        .speller_heads = 4,
        .speller_layers = 3,
        .speller_mlp = 40,
        .speller_positions = 40,
        .tokens = tokens,
        .token_count = sizeof(tokens) / sizeof(*tokens),
    };
}

struct made_file make_model(const struct model_shape *shape)
{
    struct maker m = {.state = shape->seed};
    shared_keys(&m, shape);
    features(&m, shape);
    listener(&m, shape);
    if (shape->kind == SPELLER_RECURRENT) {
        recurrent_keys(&m, shape);
        recurrent_speller(&m, shape);
    } else {
        transformer_keys(&m, shape);
        transformer_speller(&m, shape);
    }
    return m.file;
}

void set_weight(struct made_file *file, const char *name, size_t index, float value)
{
    struct made_tensor *tensor = made_find(file, name);
    if (!tensor || tensor->data.length < (index + 1) * sizeof(value)) {
        fprintf(stderr, "no weight %zu in '%s'\n", index, name);
        exit(1);
    }
    memcpy(tensor->data.data + index * sizeof(value), &value, sizeof(value));
}

/* ---- Opening ---- */

static char *write_model(const struct made_file *file)
{
    struct bytes bytes = made_bytes(file);
    char *path = write_temporary(bytes.data, bytes.length);
    bytes_finish(&bytes);
    return path;
}

struct network *open_network(const struct made_file *file)
{
    struct hearken_error error;
    struct network *network = NULL;
    char *path = write_model(file);
    if (network_open(path, &reference_backend, &network, &error) < 0)
        printf("\n    %s ", error.message);
    unlink(path);
    free(path);
    return network;
}

struct hearken_model *open_model(const struct made_file *file)
{
    struct hearken_error error;
    struct hearken_model *model = NULL;
    char *path = write_model(file);
    if (hearken_model_open(path, &reference_backend, &model, &error) < 0)
        printf("\n    %s ", error.message);
    unlink(path);
    free(path);
    return model;
}

/* ---- Voice ---- */

static void put_floats(struct made_file *file, const char *name, uint32_t columns, uint32_t rows,
                       const float *values)
{
    made_tensor(file, name, GGUF_TENSOR_F32, (uint64_t[4]){columns, rows}, values,
                (size_t)columns * rows * sizeof(*values));
}

/* One unit: the mean through a gate that is open for what is new alone, and a steep end. */
void add_voice(struct made_file *file, uint32_t mels, float level)
{
    float *mean = malloc(mels * sizeof(*mean));
    for (uint32_t i = 0; i < mels; i++)
        mean[i] = 1.0f / (float)mels;
    made_number(file, "hearken.voice.mels", GGUF_U32, mels);
    made_number(file, "hearken.voice.width", GGUF_U32, 1);
    made_number(file, "hearken.voice.layers", GGUF_U32, 1);
    made_number(file, "hearken.voice.floor", GGUF_F32, -10);
    made_number(file, "hearken.voice.shift", GGUF_F32, 10);
    made_number(file, "hearken.voice.scale", GGUF_F32, 1);
    put_floats(file, "voice.input.weight", mels, 1, mean);
    put_floats(file, "voice.input.bias", 1, 1, (const float[]){0});
    put_floats(file, "voice.layer.0.input.weight", 1, 3, (const float[]){0, 0, 8});
    put_floats(file, "voice.layer.0.input.bias", 3, 1, (const float[]){0, -50, -8 * (level + 10)});
    put_floats(file, "voice.layer.0.hidden.weight", 1, 3, (const float[]){0, 0, 0});
    put_floats(file, "voice.layer.0.hidden.bias", 3, 1, (const float[]){0, 0, 0});
    put_floats(file, "voice.output.weight", 1, 1, (const float[]){10});
    put_floats(file, "voice.output.bias", 1, 1, (const float[]){0});
    free(mean);
}

/* ---- With the vocabulary of a Whisper ---- */

#define SPACE "\xc4\xa0" /* the byte of a space, as GPT-2 writes it */

static const char *const first_tokens[] = {
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>",          "<|de|>",       "<|haw|>",
    "<|translate|>", "<|transcribe|>",        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
};

static const char *const text_tokens[] = {
    "a", "b", "c", "d", "e", "n", "s", "t", SPACE, SPACE "a", SPACE "the", SPACE "to", ".", ",",
};

#define TEXTS (sizeof(text_tokens) / sizeof(*text_tokens))

struct made_file make_whisper(uint32_t seed)
{
    static const double start[] = {W_START, W_ENGLISH, W_TRANSCRIBE, W_NO_TIMESTAMPS};
    char times[W_TEXT - W_TIMES][16];
    const char *tokens[W_TEXT + TEXTS];
    double types[W_TEXT + TEXTS];
    for (uint32_t i = 0; i < W_TIMES; i++)
        tokens[i] = first_tokens[i];
    for (uint32_t i = 0; i < W_TEXT - W_TIMES; i++) {
        snprintf(times[i], sizeof(times[i]), "<|%u.%02u|>", i / 50, i % 50 * 2);
        tokens[W_TIMES + i] = times[i];
    }
    for (uint32_t i = 0; i < TEXTS; i++)
        tokens[W_TEXT + i] = text_tokens[i];
    for (uint32_t i = 0; i < W_TEXT + TEXTS; i++)
        types[i] = i < W_TEXT ? 3 : 1;
    struct model_shape shape = transformer_shape(seed);
    shape.speller_positions = 60;
    shape.tokens = tokens;
    shape.token_count = W_TEXT + TEXTS;
    struct made_file file = make_model(&shape);
    made_numbers(&file, "hearken.speller.start", GGUF_U32, start, 4);
    made_number(&file, "hearken.speller.no_speech_token", GGUF_U32, W_NO_SPEECH);
    made_numbers(&file, "tokenizer.ggml.token_type", GGUF_I32, types, W_TEXT + TEXTS);
    return file;
}
