// SPDX-License-Identifier: MIT
/* The numbers of a network: each key missing, of a wrong type, out of its range. */
#include "models/file/model_parameters.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_model_parameters_tests(void);

/* ---- Helpers ---- */

static int read_made(const struct made_file *file, struct parameters *parameters,
                     struct hearken_error *error)
{
    struct bytes bytes = made_bytes(file);
    void *copy = exact_copy(bytes.data, bytes.length);
    struct gguf *gguf = NULL;
    *error = (struct hearken_error){""};
    int result = gguf_open_memory(copy, bytes.length, &gguf, error);
    EXPECT_EQUAL_FATAL(result, 0);
    result = parameters_read(parameters, gguf, error);
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&bytes);
    return result;
}

static struct made_file base(enum speller_kind kind)
{
    struct model_shape shape =
        kind == SPELLER_RECURRENT ? recurrent_shape(1) : transformer_shape(1);
    return make_model(&shape);
}

static void refuses(const struct made_file *file, const char *key)
{
    struct parameters parameters;
    struct hearken_error error;
    EXPECT_EQUAL(read_made(file, &parameters, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, key);
    if (!strstr(error.message, key))
        printf("\n    '%s' does not name %s ", error.message, key);
}

static struct parameters accepts(const struct made_file *file)
{
    struct parameters parameters;
    struct hearken_error error;
    EXPECT_EQUAL(read_made(file, &parameters, &error), 0);
    if (error.message[0])
        printf("\n    %s ", error.message);
    return parameters;
}

/* ---- What is right ---- */

static void test_recurrent(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.features.fft, 400);
    EXPECT_EQUAL(p.features.hop, 160);
    EXPECT_EQUAL(p.features.mels, shape.mels);
    EXPECT_EQUAL(p.features.floor, -7);
    EXPECT_EQUAL(p.features.shift, 4);
    EXPECT_EQUAL(p.features.scale, 4);
    EXPECT_EQUAL(p.features.below_maximum, 0);
    EXPECT_EQUAL(p.features.window, 0);
    EXPECT_EQUAL(p.listener.width, shape.width);
    EXPECT_EQUAL(p.listener.heads, shape.heads);
    EXPECT_EQUAL(p.listener.layers, shape.layers);
    EXPECT_EQUAL(p.listener.mlp, shape.mlp);
    EXPECT_EQUAL(p.listener.positions, shape.positions);
    EXPECT_EQUAL(p.listener.pyramid, shape.pyramid);
    EXPECT_EQUAL(p.listener.memory_width, shape.memory_width);
    EXPECT_EQUAL(p.listener.chunk, shape.chunk);
    EXPECT_EQUAL(p.speller.kind, SPELLER_RECURRENT);
    EXPECT_EQUAL(p.speller.width, shape.speller_width);
    EXPECT_EQUAL(p.speller.heads, shape.speller_heads);
    EXPECT_EQUAL(p.speller.layers, shape.speller_layers);
    EXPECT_EQUAL(p.speller.vocabulary, shape.token_count);
    EXPECT_EQUAL(p.speller.start_count, 1);
    EXPECT_EQUAL(p.speller.start[0], 1);
    EXPECT_EQUAL(p.speller.end, 2);
    EXPECT_EQUAL(p.speller.no_speech, NO_TOKEN);
    EXPECT_EQUAL(p.speller.blank, 0);
    EXPECT_EQUAL(p.speller.alignment_heads[0], 0);
    EXPECT_EQUAL(p.speller.alignment_heads[1], 7);
    CU_ASSERT_FALSE(p.speller.follows_sound);
    CU_ASSERT(p.has_ctc);
    made_finish(&file);
}

static void test_transformer(void)
{
    struct model_shape shape = transformer_shape(1);
    struct made_file file = make_model(&shape);
    made_number(&file, "hearken.features.below_maximum", GGUF_F32, 8);
    made_number(&file, "hearken.features.window", GGUF_U32, 3000);
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.features.below_maximum, 8);
    EXPECT_EQUAL(p.features.window, 3000);
    EXPECT_EQUAL(p.speller.kind, SPELLER_TRANSFORMER);
    EXPECT_EQUAL(p.speller.mlp, shape.speller_mlp);
    EXPECT_EQUAL(p.speller.positions, shape.speller_positions);
    EXPECT_EQUAL(p.speller.start_count, 2);
    EXPECT_EQUAL(p.speller.start[0], 1);
    EXPECT_EQUAL(p.speller.start[1], 2);
    EXPECT_EQUAL(p.speller.end, 0);
    EXPECT_EQUAL(p.speller.no_speech, 3);
    EXPECT_EQUAL(p.speller.blank, NO_TOKEN);
    EXPECT_EQUAL(p.speller.alignment_heads[1], 0);
    EXPECT_EQUAL(p.speller.alignment_heads[2], 15);
    CU_ASSERT_FALSE(p.has_ctc);
    made_finish(&file);
}

/* Without a key that may be absent, its stand-in holds. */
static void test_defaults(void)
{
    static const char *const optional[] = {
        "hearken.features.floor", "hearken.features.shift",   "hearken.features.scale",
        "hearken.listener.mlp",   "hearken.listener.pyramid", "hearken.listener.memory_width",
        "hearken.listener.chunk", "hearken.speller.mlp",      "hearken.speller.no_speech_token",
    };
    struct made_file file = base(SPELLER_TRANSFORMER);
    for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
        CU_ASSERT(made_remove(&file, optional[i]));
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.features.floor, -10);
    EXPECT_EQUAL(p.features.shift, 4);
    EXPECT_EQUAL(p.features.scale, 4);
    EXPECT_EQUAL(p.listener.mlp, 80);
    EXPECT_EQUAL(p.listener.pyramid, 1);
    EXPECT_EQUAL(p.listener.memory_width, 20);
    EXPECT_EQUAL(p.listener.chunk, 0);
    EXPECT_EQUAL(p.speller.mlp, 96);
    EXPECT_EQUAL(p.speller.no_speech, NO_TOKEN);
    made_finish(&file);
    file = base(SPELLER_RECURRENT);
    CU_ASSERT(made_remove(&file, "hearken.speller.kind"));
    EXPECT_EQUAL(accepts(&file).speller.kind, SPELLER_RECURRENT);
    made_finish(&file);
}

/* Silence behind a segment: as the file says, or as its kind needs. */
static void test_padding(void)
{
    struct made_file file = base(SPELLER_TRANSFORMER);
    EXPECT_EQUAL(accepts(&file).listener.padding, 0);
    made_number(&file, "hearken.features.window", GGUF_U32, 3000);
    EXPECT_EQUAL(accepts(&file).listener.padding, 1);
    for (int seconds = 0; seconds <= 30; seconds += 30) {
        made_number(&file, "hearken.listener.padding", GGUF_F32, seconds);
        EXPECT_EQUAL(accepts(&file).listener.padding, (float)seconds);
    }
    made_finish(&file);
}

/* ---- What is wrong ---- */

static void test_wrong_padding(void)
{
    static const double wrong[] = {-0.01, 30.01, NAN, INFINITY, -INFINITY, 1e300};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct made_file file = base(SPELLER_TRANSFORMER);
        made_number(&file, "hearken.listener.padding", GGUF_F64, wrong[i]);
        refuses(&file, "hearken.listener.padding");
        made_finish(&file);
    }
    struct made_file file = base(SPELLER_RECURRENT);
    made_string(&file, "hearken.listener.padding", "5");
    refuses(&file, "hearken.listener.padding");
    made_finish(&file);
}

static const struct range {
    const char *key;
    double lowest, highest;
    bool required;
} ranges[] = {
    {"hearken.features.sample_rate", 16000, 16000, true},
    {"hearken.features.fft", 400, 400, true},
    {"hearken.features.hop", 160, 160, true},
    {"hearken.features.mels", 1, 512, true},
    {"hearken.features.window", 0, 65536, false},
    {"hearken.listener.width", 4, 8192, true},
    {"hearken.listener.heads", 1, 64, true},
    {"hearken.listener.layers", 1, 64, true},
    {"hearken.listener.mlp", 1, 65536, false},
    {"hearken.listener.positions", 2, 65536, true},
    {"hearken.listener.pyramid", 1, 2, false},
    {"hearken.listener.memory_width", 1, 8192, false},
    {"hearken.listener.chunk", 0, 65536, false},
    {"hearken.speller.width", 4, 8192, true},
    {"hearken.speller.heads", 1, 64, true},
    {"hearken.speller.layers", 1, 64, true},
    {"hearken.speller.mlp", 1, 65536, false},
    {"hearken.speller.positions", 17, 65536, true},
    {"hearken.speller.no_speech_token", 0, 19, false},
    {"tokenizer.ggml.eos_token_id", 0, 19, true},
    {"tokenizer.ggml.blank_token_id", 0, 19, false},
};

#define RANGES (sizeof(ranges) / sizeof(*ranges))

static void test_missing(void)
{
    for (size_t i = 0; i < RANGES; i++) {
        if (!ranges[i].required)
            continue;
        struct made_file file = base(SPELLER_TRANSFORMER);
        CU_ASSERT(made_remove(&file, ranges[i].key));
        refuses(&file, ranges[i].key);
        made_finish(&file);
    }
    static const char *const others[] = {"general.architecture", "tokenizer.ggml.tokens"};
    for (size_t i = 0; i < 2; i++) {
        struct made_file file = base(SPELLER_TRANSFORMER);
        CU_ASSERT(made_remove(&file, others[i]));
        refuses(&file, others[i]);
        made_finish(&file);
    }
    struct made_file file = base(SPELLER_RECURRENT);
    CU_ASSERT(made_remove(&file, "tokenizer.ggml.bos_token_id"));
    refuses(&file, "tokenizer.ggml.bos_token_id");
    made_finish(&file);
    file = base(SPELLER_RECURRENT);
    CU_ASSERT(made_remove(&file, "tokenizer.ggml.blank_token_id"));
    refuses(&file, "tokenizer.ggml.blank_token_id");
    CU_ASSERT(made_remove(&file, "ctc.weight"));
    CU_ASSERT_FALSE(accepts(&file).has_ctc); /* nothing needs a blank then */
    made_finish(&file);
}

static void refuses_number(const char *key, enum gguf_type type, double value)
{
    struct made_file file = base(SPELLER_TRANSFORMER);
    made_number(&file, key, type, value);
    refuses(&file, key);
    made_finish(&file);
}

static void test_out_of_range(void)
{
    for (size_t i = 0; i < RANGES; i++) {
        const struct range *r = &ranges[i];
        refuses_number(r->key, GGUF_I64, r->lowest - 1);
        refuses_number(r->key, GGUF_U64, r->highest + 1);
        refuses_number(r->key, GGUF_F64, r->highest - 0.5);
        refuses_number(r->key, GGUF_F64, NAN);
        refuses_number(r->key, GGUF_F64, INFINITY);
        refuses_number(r->key, GGUF_F64, -INFINITY);
        refuses_number(r->key, GGUF_F64, 1e300);
        refuses_number(r->key, GGUF_U32, 4294967295.0);
    }
}

static void test_wrong_type(void)
{
    for (size_t i = 0; i < RANGES; i++) {
        struct made_file file = base(SPELLER_TRANSFORMER);
        made_string(&file, ranges[i].key, "12");
        refuses(&file, ranges[i].key);
        made_numbers(&file, ranges[i].key, GGUF_U32, &ranges[i].highest, 1);
        refuses(&file, ranges[i].key);
        made_numbers(&file, ranges[i].key, GGUF_U32, NULL, 0);
        refuses(&file, ranges[i].key);
        made_finish(&file);
    }
}

/* A key that is there but is no number is not called missing. */
static void test_wrong_type_is_said(void)
{
    struct parameters parameters;
    struct hearken_error error;
    struct made_file file = base(SPELLER_RECURRENT);
    made_string(&file, "hearken.listener.width", "16");
    EXPECT_EQUAL(read_made(&file, &parameters, &error), -EINVAL);
    CU_ASSERT_PTR_NULL(strstr(error.message, "missing"));
    made_finish(&file);
}

/* A number may be of any type that holds it. */
static void test_types_of_numbers(void)
{
    static const enum gguf_type types[] = {GGUF_U8,  GGUF_I8,  GGUF_U16, GGUF_I16, GGUF_U32,
                                           GGUF_I32, GGUF_F32, GGUF_U64, GGUF_I64, GGUF_F64};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct made_file file = base(SPELLER_RECURRENT);
        made_number(&file, "hearken.listener.mlp", types[i], 77);
        EXPECT_EQUAL(accepts(&file).listener.mlp, 77);
        made_finish(&file);
    }
}

/* Both ends of each range, with what else they ask for. */
static void test_ends_of_ranges(void)
{
    static const struct {
        const char *key;
        double value;
        const char *other;
        double other_value;
    } cases[] = {
        {"hearken.features.mels", 1, NULL, 0},
        {"hearken.features.mels", 512, NULL, 0},
        {"hearken.listener.width", 4, NULL, 0},
        {"hearken.listener.width", 8192, NULL, 0},
        {"hearken.listener.heads", 1, NULL, 0},
        {"hearken.listener.heads", 64, "hearken.listener.width", 128},
        {"hearken.listener.layers", 1, NULL, 0},
        {"hearken.listener.layers", 64, NULL, 0},
        {"hearken.listener.mlp", 1, NULL, 0},
        {"hearken.listener.mlp", 65536, NULL, 0},
        {"hearken.listener.positions", 2, NULL, 0},
        {"hearken.listener.positions", 65536, NULL, 0},
        {"hearken.listener.memory_width", 1, NULL, 0},
        {"hearken.listener.memory_width", 8192, NULL, 0},
        {"hearken.speller.heads", 64, "hearken.speller.width", 64},
        {"hearken.speller.layers", 64, NULL, 0},
        {"tokenizer.ggml.eos_token_id", 0, NULL, 0},
        {"tokenizer.ggml.eos_token_id", 27, NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made_file file = base(SPELLER_RECURRENT);
        made_number(&file, cases[i].key, GGUF_U32, cases[i].value);
        if (cases[i].other)
            made_number(&file, cases[i].other, GGUF_U32, cases[i].other_value);
        accepts(&file);
        made_finish(&file);
    }
}

static void test_real_numbers(void)
{
    static const char *const keys[] = {"hearken.features.floor", "hearken.features.shift",
                                       "hearken.features.scale", "hearken.features.below_maximum"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        refuses_number(keys[i], GGUF_F64, NAN);
        refuses_number(keys[i], GGUF_F64, INFINITY);
        refuses_number(keys[i], GGUF_F64, 1e6);
        refuses_number(keys[i], GGUF_F64, -1e6);
        struct made_file file = base(SPELLER_TRANSFORMER);
        made_string(&file, keys[i], "8");
        refuses(&file, keys[i]);
        made_finish(&file);
    }
    refuses_number("hearken.features.scale", GGUF_F32, 0);
    refuses_number("hearken.features.below_maximum", GGUF_F32, -1);
    struct made_file file = base(SPELLER_RECURRENT);
    made_number(&file, "hearken.features.floor", GGUF_F32, -9.5);
    made_number(&file, "hearken.features.shift", GGUF_I8, -3);
    made_number(&file, "hearken.features.scale", GGUF_F64, 0.25);
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.features.floor, -9.5f);
    EXPECT_EQUAL(p.features.shift, -3);
    EXPECT_EQUAL(p.features.scale, 0.25f);
    made_finish(&file);
}

/* A scale that rounds to zero in single precision would divide by it. */
static void test_scale_that_is_too_small(void)
{
    refuses_number("hearken.features.scale", GGUF_F64, 1e-60);
}

static void refuses_pair(enum speller_kind kind, const char *key, double value, const char *part)
{
    struct made_file file = base(kind);
    made_number(&file, key, GGUF_U32, value);
    refuses(&file, part);
    made_finish(&file);
}

static void test_sizes_that_do_not_go_together(void)
{
    refuses_pair(SPELLER_RECURRENT, "hearken.listener.width", 17, "hearken.listener.width");
    refuses_pair(SPELLER_RECURRENT, "hearken.listener.heads", 3, "hearken.listener");
    refuses_pair(SPELLER_RECURRENT, "hearken.speller.heads", 5, "hearken.speller");
    refuses_pair(SPELLER_RECURRENT, "hearken.listener.chunk", 9, "hearken.listener.chunk");
    refuses_pair(SPELLER_TRANSFORMER, "hearken.listener.memory_width", 24,
                 "hearken.listener.memory_width");
}

static void test_architecture_and_kind(void)
{
    static const char *const wrong[] = {"", "whisper", "hearken-la", "hearken-last", "Hearken-las"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct made_file file = base(SPELLER_RECURRENT);
        made_string(&file, "general.architecture", wrong[i]);
        refuses(&file, "general.architecture");
        made_string(&file, "general.architecture", "hearken-las");
        made_string(&file, "hearken.speller.kind", wrong[i]);
        refuses(&file, "hearken.speller.kind");
        made_finish(&file);
    }
    struct made_file file = base(SPELLER_RECURRENT);
    made_number(&file, "general.architecture", GGUF_U32, 1);
    refuses(&file, "general.architecture");
    made_strings(&file, "general.architecture", (const char *const[]){"hearken-las"}, 1);
    refuses(&file, "general.architecture");
    made_strings(&file, "general.architecture", NULL, 0);
    refuses(&file, "general.architecture");
    made_string(&file, "general.architecture", "hearken-las");
    made_number(&file, "hearken.speller.kind", GGUF_U32, 0);
    refuses(&file, "hearken.speller.kind");
    made_strings(&file, "hearken.speller.kind", NULL, 0);
    refuses(&file, "hearken.speller.kind");
    made_finish(&file);
}

/* Of a long string only the beginning is shown. */
static void test_long_architecture(void)
{
    char text[4001];
    struct parameters parameters;
    struct hearken_error error;
    memset(text, 'x', 4000);
    text[4000] = 0;
    struct made_file file = base(SPELLER_RECURRENT);
    made_string(&file, "general.architecture", text);
    EXPECT_EQUAL(read_made(&file, &parameters, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "expected hearken-las");
    made_finish(&file);
}

static void test_vocabulary_sizes(void)
{
    static const char *const tokens[] = {"<|endoftext|>", "a"};
    struct made_file file = base(SPELLER_RECURRENT);
    made_strings(&file, "tokenizer.ggml.tokens", tokens, 1);
    refuses(&file, "tokenizer.ggml.tokens");
    made_strings(&file, "tokenizer.ggml.tokens", tokens, 0);
    refuses(&file, "tokenizer.ggml.tokens");
    made_string(&file, "tokenizer.ggml.tokens", "a");
    refuses(&file, "tokenizer.ggml.tokens");
    made_numbers(&file, "tokenizer.ggml.tokens", GGUF_U32, (const double[]){1, 2, 3}, 3);
    refuses(&file, "tokenizer.ggml.tokens");
    made_strings(&file, "tokenizer.ggml.tokens", tokens, 2);
    refuses(&file, "tokenizer.ggml.eos_token_id"); /* 2 is not below 2 */
    made_number(&file, "tokenizer.ggml.eos_token_id", GGUF_U32, 0);
    EXPECT_EQUAL(accepts(&file).speller.vocabulary, 2);
    made_finish(&file);
}

/* ---- Lists of tokens ---- */

static void test_start_tokens(void)
{
    static const double tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 0};
    struct made_file file = base(SPELLER_TRANSFORMER);
    made_numbers(&file, "hearken.speller.start", GGUF_I32, tokens, 16);
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.speller.start_count, 16);
    EXPECT_EQUAL(p.speller.start[15], 19);
    made_numbers(&file, "hearken.speller.start", GGUF_I32, tokens, 17);
    refuses(&file, "hearken.speller.start");
    made_numbers(&file, "hearken.speller.start", GGUF_U32, (const double[]){20}, 1);
    refuses(&file, "hearken.speller.start");
    made_numbers(&file, "hearken.speller.start", GGUF_I32, (const double[]){3, -1}, 2);
    refuses(&file, "hearken.speller.start");
    made_numbers(&file, "hearken.speller.start", GGUF_F32, (const double[]){1}, 1);
    refuses(&file, "hearken.speller.start");
    made_number(&file, "hearken.speller.start", GGUF_U32, 1);
    refuses(&file, "hearken.speller.start");
    made_strings(&file, "hearken.speller.start", (const char *const[]){"<s>"}, 1);
    refuses(&file, "hearken.speller.start");
    /* None: the one that begins a sentence, which this file does not name. */
    made_numbers(&file, "hearken.speller.start", GGUF_U32, NULL, 0);
    refuses(&file, "tokenizer.ggml.bos_token_id");
    made_number(&file, "tokenizer.ggml.bos_token_id", GGUF_U32, 7);
    p = accepts(&file);
    EXPECT_EQUAL(p.speller.start_count, 1);
    EXPECT_EQUAL(p.speller.start[0], 7);
    made_number(&file, "tokenizer.ggml.bos_token_id", GGUF_U32, 20);
    refuses(&file, "tokenizer.ggml.bos_token_id");
    made_finish(&file);
}

/* Layer · heads + head, 3 layers of 4 heads. */
static void test_alignment_heads(void)
{
    struct made_file file = base(SPELLER_TRANSFORMER);
    made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32,
                 (const double[]){0, 3, 5, 11, 5}, 5);
    struct parameters p = accepts(&file);
    EXPECT_EQUAL(p.speller.alignment_heads[0], 9);
    EXPECT_EQUAL(p.speller.alignment_heads[1], 2);
    EXPECT_EQUAL(p.speller.alignment_heads[2], 8);
    EXPECT_EQUAL(p.speller.alignment_heads[3], 0);
    CU_ASSERT(p.speller.follows_sound);
    made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32, (const double[]){12}, 1);
    refuses(&file, "hearken.speller.alignment_heads");
    made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32, NULL, 0);
    EXPECT_EQUAL(accepts(&file).speller.alignment_heads[2], 15);
    made_finish(&file);
    file = base(SPELLER_RECURRENT); /* 64 heads fill the set */
    made_number(&file, "hearken.speller.width", GGUF_U32, 64);
    made_number(&file, "hearken.speller.heads", GGUF_U32, 64);
    EXPECT_EQUAL(accepts(&file).speller.alignment_heads[1], UINT64_MAX);
    made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32, (const double[]){63, 64}, 2);
    EXPECT_EQUAL(accepts(&file).speller.alignment_heads[0], UINT64_C(1) << 63);
    made_finish(&file);
}

static void test_lists_of_tokens(void)
{
    struct hearken_error error;
    struct gguf *gguf = NULL;
    struct made_file file = {0};
    made_numbers(&file, "list", GGUF_I32, (const double[]){5, 0, 9}, 3);
    made_numbers(&file, "empty", GGUF_U32, NULL, 0);
    struct bytes bytes = made_bytes(&file);
    void *copy = exact_copy(bytes.data, bytes.length);
    EXPECT_EQUAL_FATAL(gguf_open_memory(copy, bytes.length, &gguf, &error), 0);
    uint32_t *tokens = NULL;
    size_t count = 9;
    EXPECT_EQUAL(parameters_read_tokens(gguf, "list", 10, &tokens, &count, &error), 0);
    EXPECT_EQUAL_FATAL(count, 3);
    CU_ASSERT(tokens[0] == 5 && tokens[1] == 0 && tokens[2] == 9);
    free(tokens);
    EXPECT_EQUAL(parameters_read_tokens(gguf, "list", 9, &tokens, &count, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "list holds 9, expected 0 to 8");
    EXPECT_EQUAL(parameters_read_tokens(gguf, "list", 2, &tokens, &count, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "list is not an array of at most 2 numbers");
    count = 9;
    EXPECT_EQUAL(parameters_read_tokens(gguf, "absent", 2, &tokens, &count, &error), 0);
    CU_ASSERT(!tokens && count == 0);
    EXPECT_EQUAL(parameters_read_tokens(gguf, "empty", 2, &tokens, &count, &error), 0);
    EXPECT_EQUAL(count, 0);
    free(tokens);
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&bytes);
    made_finish(&file);
}

void add_model_parameters_tests(void)
{
    CU_pSuite suite = CU_add_suite("parameters", NULL, NULL);
    CU_ADD_TEST(suite, test_recurrent);
    CU_ADD_TEST(suite, test_transformer);
    CU_ADD_TEST(suite, test_defaults);
    CU_ADD_TEST(suite, test_padding);
    CU_ADD_TEST(suite, test_wrong_padding);
    CU_ADD_TEST(suite, test_missing);
    CU_ADD_TEST(suite, test_out_of_range);
    CU_ADD_TEST(suite, test_wrong_type);
    CU_ADD_TEST(suite, test_wrong_type_is_said);
    CU_ADD_TEST(suite, test_types_of_numbers);
    CU_ADD_TEST(suite, test_ends_of_ranges);
    CU_ADD_TEST(suite, test_real_numbers);
    CU_ADD_TEST(suite, test_scale_that_is_too_small);
    CU_ADD_TEST(suite, test_sizes_that_do_not_go_together);
    CU_ADD_TEST(suite, test_architecture_and_kind);
    CU_ADD_TEST(suite, test_long_architecture);
    CU_ADD_TEST(suite, test_vocabulary_sizes);
    CU_ADD_TEST(suite, test_start_tokens);
    CU_ADD_TEST(suite, test_alignment_heads);
    CU_ADD_TEST(suite, test_lists_of_tokens);
}
