// SPDX-License-Identifier: MIT
/* Checkpoints: their values and tokens, whisper.cpp's files, and the model files made of them. */
#include "models/checkpoint/checkpoint_export.h"
#include "models/checkpoint/ggml.h"
#include "models/checkpoint/model_open.h"
#include "models/checkpoint/whisper_known.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_checkpoint_tests(void);

static void complains(int result, int expected, const struct hearken_error *error, const char *text)
{
    EXPECT_EQUAL(result, expected);
    EXPECT_EQUAL_STRING(error->message, text);
}

/* ---- Values ---- */

static void test_reading_values(void)
{
    const float floats[] = {1, -2, 3};
    const uint16_t halves[] = {0x3c00, 0xc000, 0x4200}, bfloats[] = {0x3f80, 0xc000, 0x4040};
    const struct {
        enum value_type type;
        const void *data;
        uint64_t bytes;
        const char *name;
    } cases[] = {{VALUE_F32, floats, 12, "F32"},
                 {VALUE_F16, halves, 6, "F16"},
                 {VALUE_BF16, bfloats, 6, "BF16"}};
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    for (size_t i = 0; i < 3; i++) {
        struct checkpoint_tensor tensor = {
            .type = cases[i].type, .rank = 1, .shape = {3}, .data = cases[i].data};
        uint64_t bytes = 0;
        float out[2];
        snprintf(tensor.name, sizeof(tensor.name), "%s", cases[i].name);
        EXPECT_EQUAL(checkpoint_add(&checkpoint, "f", &tensor, cases[i].bytes, &bytes, &error), 0);
        EXPECT_EQUAL(bytes, cases[i].bytes);
        EXPECT_EQUAL_STRING(value_type_name(cases[i].type), cases[i].name);
        checkpoint_read(&checkpoint.tensors[i], 1, 2, out);
        CU_ASSERT(out[0] == -2 && out[1] == 3);
    }
    EXPECT_EQUAL(checkpoint_sort(&checkpoint, "f", &error), 0);
    const struct checkpoint_tensor *found = checkpoint_find(&checkpoint, "F16");
    CU_ASSERT(found && found->count == 3 && found->shape[3] == 1);
    CU_ASSERT_PTR_NULL(checkpoint_find(&checkpoint, "F1"));
    checkpoint_finish(&checkpoint);
    CU_ASSERT_PTR_NULL(checkpoint_find(&checkpoint, "F16"));
}

static void test_tensors_that_lie(void)
{
    static const struct {
        struct checkpoint_tensor tensor;
        uint64_t available;
        const char *text;
    } cases[] = {
        {{.name = "a", .rank = 5}, 99, "f: 'a' has rank 5, expected at most 4"},
        {{.name = "a", .rank = 2, .shape = {1ull << 32, 1ull << 32}},
         UINT64_MAX,
         "f: 'a' has more than 2^61 values"},
        {{.name = "a", .rank = 1, .shape = {1ull << 62}},
         UINT64_MAX,
         "f: 'a' has more than 2^61 values"},
        {{.name = "a", .rank = 4, .shape = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 0}},
         UINT64_MAX,
         "f: 'a' has more than 2^61 values"},
        {{.name = "a", .rank = 2, .shape = {2, 3}},
         23,
         "f: 'a' needs 24 bytes, but 23 are there (truncated?)"},
        {{.name = "a"}, 3, "f: 'a' needs 4 bytes, but 3 are there (truncated?)"},
        {{.name = "a", .type = VALUE_Q5_1, .rank = 2, .shape = {32, 33}},
         9999,
         "f: 'a' is Q5_1 with rows of 33, expected a multiple of 32"},
        {{.name = "a", .type = VALUE_Q8_0},
         9999,
         "f: 'a' is Q8_0 with rows of 1, expected a multiple of 32"},
        {{.name = "a\033[31m\n", .rank = 9}, 0, "f: 'a?[31m?' has rank 9, expected at most 4"},
    };
    struct checkpoint checkpoint = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct hearken_error error = {""};
        int result =
            checkpoint_add(&checkpoint, "f", &cases[i].tensor, cases[i].available, NULL, &error);
        complains(result, -EINVAL, &error, cases[i].text);
    }
    struct hearken_error error = {""};
    complains(checkpoint_sort(&checkpoint, "f", &error), -EINVAL, &error,
              "f: there are no tensors of a Whisper model in it");
    const struct checkpoint_tensor scalar = {.name = "s", .data = (const uint8_t *)"abcd"};
    EXPECT_EQUAL(checkpoint_add(&checkpoint, "f", &scalar, 4, NULL, &error), 0);
    EXPECT_EQUAL(checkpoint_add(&checkpoint, "f", &scalar, 4, NULL, &error), 0);
    complains(checkpoint_sort(&checkpoint, "f", &error), -EINVAL, &error, "f: 's' is there twice");
    checkpoint_finish(&checkpoint);
}

static void test_loading(void)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    struct mapping mapping;
    uint8_t start[4];
    char *path = write_temporary("abc", 3);
    EXPECT_EQUAL(checkpoint_peek(path, start, 4), 3);
    EXPECT_EQUAL(checkpoint_peek("/nonexistent", start, 4), 0);
    EXPECT_EQUAL_FATAL(checkpoint_load(&checkpoint, path, &mapping, &error), 0);
    CU_ASSERT(mapping.size == 3 && memcmp(mapping.data, "abc", 3) == 0);
    complains(checkpoint_load(&checkpoint, "/nonexistent", &mapping, &error), -ENOENT, &error,
              "/nonexistent: No such file or directory");
    EXPECT_EQUAL(checkpoint_load(&checkpoint, "/", &mapping, &error), -EINVAL);
    checkpoint_finish(&checkpoint);
    unlink(path);
    free(path);
}

/* Only whole pages, and only of the checkpoint's own memory. */
static void test_releasing(void)
{
    enum { PAGES = 4, BEFORE = 100 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PAGES * page;
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    struct mapping mapping;
    uint8_t *own = checkpoint_reserve(&checkpoint, size, &mapping, &error);
    uint8_t *other = aligned_alloc(page, size);
    CU_ASSERT_FATAL(own && other);
    memset(own, 1, size);
    memset(other, 1, size);
    struct checkpoint_tensor tensor = {
        .type = VALUE_F16, .count = (size - 2 * BEFORE) / sizeof(uint16_t), .data = own + BEFORE};
    checkpoint_release(&checkpoint, &tensor);
    for (size_t i = 0; i < size; i++)
        if (own[i] != (i < page || i >= size - page)) {
            EXPECT_EQUAL(own[i], i < page || i >= size - page);
            break;
        }
    tensor.data = other + BEFORE;
    checkpoint_release(&checkpoint, &tensor);
    CU_ASSERT(memchr(other, 0, size) == NULL);
    free(other);
    checkpoint_finish(&checkpoint);
}

/* ---- Tokens ---- */

static void test_bytes_as_characters(void)
{
    struct tokens tokens = {0};
    struct hearken_error error = {""};
    for (int byte = 0; byte < 256; byte++)
        EXPECT_EQUAL(tokens_add_bytes(&tokens, (const uint8_t[]){(uint8_t)byte}, 1, &error), 0);
    EXPECT_EQUAL(tokens_index(&tokens, &error), 0);   /* all differ */
    EXPECT_EQUAL_STRING(tokens.names[0], "\xc4\x80"); /* U+0100 */
    EXPECT_EQUAL_STRING(tokens.names['\n'], "\xc4\x8a");
    EXPECT_EQUAL_STRING(tokens.names[' '], "\xc4\xa0");
    EXPECT_EQUAL_STRING(tokens.names['!'], "!");
    EXPECT_EQUAL_STRING(tokens.names['~'], "~");
    EXPECT_EQUAL_STRING(tokens.names[0x7f], "\xc4\xa1");
    EXPECT_EQUAL_STRING(tokens.names[0xa0], "\xc5\x82");
    EXPECT_EQUAL_STRING(tokens.names[0xa1], "\xc2\xa1");
    EXPECT_EQUAL_STRING(tokens.names[0xad], "\xc5\x83");
    EXPECT_EQUAL_STRING(tokens.names[0xff], "\xc3\xbf");
    EXPECT_EQUAL(tokens_find(&tokens, "\xc4\xa0"), ' ');
    EXPECT_EQUAL(tokens_find(&tokens, "\xc4\xa0t"), NO_TOKEN);
    tokens_finish(&tokens);
}

static void test_special_tokens(void)
{
    for (uint32_t languages = 99; languages <= 100; languages++) {
        struct tokens tokens = {0};
        struct hearken_error error = {""};
        EXPECT_EQUAL(tokens_add(&tokens, "a", &error), 0);
        EXPECT_EQUAL(tokens_add_special(&tokens, 1510 + languages, &error), 0);
        EXPECT_EQUAL(tokens_index(&tokens, &error), 0);
        EXPECT_EQUAL(tokens.count, 1510 + languages);
        EXPECT_EQUAL_STRING(tokens.names[1], "<|endoftext|>");
        EXPECT_EQUAL_STRING(tokens.names[2], "<|startoftranscript|>");
        EXPECT_EQUAL_STRING(tokens.names[3], "<|en|>");
        EXPECT_EQUAL_STRING(tokens.names[2 + languages], languages == 99 ? "<|su|>" : "<|yue|>");
        EXPECT_EQUAL_STRING(tokens.names[3 + languages], "<|translate|>");
        EXPECT_EQUAL_STRING(tokens.names[8 + languages], "<|notimestamps|>");
        EXPECT_EQUAL_STRING(tokens.names[9 + languages], "<|0.00|>");
        EXPECT_EQUAL_STRING(tokens.names[tokens.count - 1], "<|30.00|>");
        CU_ASSERT(!tokens_is_control(&tokens, 0) && tokens_is_control(&tokens, 1));
        tokens_finish(&tokens);
    }
}

static void test_wrong_numbers_of_tokens(void)
{
    static const uint32_t counts[] = {0, 1, 1608, 1611, UINT32_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct tokens tokens = {0};
        struct hearken_error error = {""};
        char text[128];
        tokens_add(&tokens, "a", &error);
        snprintf(text, sizeof(text),
                 "%u tokens, of which 1 are text: expected 1608 or 1609 special ones more",
                 counts[i]);
        complains(tokens_add_special(&tokens, counts[i], &error), -EINVAL, &error, text);
        tokens_finish(&tokens);
    }
}

static void test_keeping_tokens(void)
{
    static const char *const names[] = {"b", "<|x|>", "<||>", "a", ""};
    struct tokens tokens = {0};
    struct hearken_error error = {""};
    char text[256];
    for (size_t i = 0; i < 5; i++)
        EXPECT_EQUAL(tokens_add(&tokens, names[i], &error), 0);
    EXPECT_EQUAL(tokens_index(&tokens, &error), 0);
    CU_ASSERT(tokens_is_control(&tokens, 1) && !tokens_is_control(&tokens, 2));
    char *path = write_temporary("a\n<|x|>\na", 9);
    EXPECT_EQUAL(tokens_keep(&tokens, path, &error), 0);
    EXPECT_EQUAL_FATAL(tokens.kept_count, 2);
    CU_ASSERT(tokens.kept[0] == 1 && tokens.kept[1] == 3);
    CU_ASSERT(tokens.ids[0] == NO_TOKEN && tokens.ids[1] == 0 && tokens.ids[3] == 1);
    unlink(path);
    free(path);
    path = write_temporary("a\nc\x1b\n", 5);
    snprintf(text, sizeof(text), "%s:2: 'c?' is no token of the checkpoint's vocabulary", path);
    complains(tokens_keep(&tokens, path, &error), -EINVAL, &error, text);
    unlink(path);
    complains(tokens_keep(&tokens, "/nonexistent", &error), -ENOENT, &error,
              "/nonexistent: No such file or directory");
    free(path);
    tokens_finish(&tokens);
    tokens_add(&tokens, "x", &error);
    tokens_add(&tokens, "y", &error);
    tokens_add(&tokens, "x", &error);
    EXPECT_EQUAL(tokens_index(&tokens, &error), -EINVAL);
    CU_ASSERT(strcmp(error.message, "vocabulary: tokens 0 and 2 are both 'x'") == 0 ||
              strcmp(error.message, "vocabulary: tokens 2 and 0 are both 'x'") == 0);
    tokens_finish(&tokens);
}

/* ---- Features ---- */

static void test_mel_filters(void)
{
    enum { MELS = 80 };
    float window[FFT], *filters = malloc(MELS * FREQUENCY_BINS * sizeof(*filters));
    hann_window(window);
    CU_ASSERT(window[0] == 0 && window[FFT / 2] == 1);
    for (uint32_t i = 1; i < FFT; i++)
        EXPECT_EQUAL(window[i], window[FFT - i]);
    mel_filters(MELS, filters);
    uint32_t peak = 0;
    for (uint32_t m = 0; m < MELS; m++) {
        const float *row = filters + m * FREQUENCY_BINS;
        uint32_t highest = 0;
        double area = 0;
        for (uint32_t bin = 0; bin < FREQUENCY_BINS; bin++) {
            CU_ASSERT(row[bin] >= 0);
            highest = row[bin] > row[highest] ? bin : highest;
            area += (double)row[bin] * SAMPLE_RATE / FFT;
        }
        CU_ASSERT(highest >= peak && row[0] == 0);
        CU_ASSERT(m < 40 || fabs(area - 1) < 0.1); /* wide enough for bins to tell */
        peak = highest;
    }
    EXPECT_CLOSE(filters[1], 0.024862593, 1e-8); /* OpenAI's mel_filters.npz */
    free(filters);
}

/* ---- Whisper.cpp's files ---- */

enum { MELS = 2, WIDTH = 4, HEADS = 2, MLP = 8, HEARD = 4, WRITTEN = 3, TEXT = 3 };
enum { VOCABULARY = TEXT + 1608 };

struct shape {
    const char *name;
    uint32_t rank, sizes[3]; /* outermost first */
};

#define VECTOR(name, size)                                                                         \
    {                                                                                              \
        name, 1,                                                                                   \
        {                                                                                          \
            size                                                                                   \
        }                                                                                          \
    }
#define LINEAR(name, rows, columns) {name ".weight", 2, {rows, columns}}, VECTOR(name ".bias", rows)
#define NORM(name)                  VECTOR(name ".weight", WIDTH), VECTOR(name ".bias", WIDTH)
#define ATTENTION(name)                                                                            \
    NORM(name "_ln"), LINEAR(name ".query", WIDTH, WIDTH),                                         \
        {name ".key.weight", 2, {WIDTH, WIDTH}}, LINEAR(name ".value", WIDTH, WIDTH),              \
        LINEAR(name ".out", WIDTH, WIDTH)
#define MLPS(name) NORM(name "_ln"), LINEAR(name ".0", MLP, WIDTH), LINEAR(name ".2", WIDTH, MLP)

static const struct shape shapes[] = {
    {"encoder.positional_embedding", 2, {HEARD, WIDTH}},
    {"encoder.conv1.weight", 3, {WIDTH, MELS, 3}},
    {"encoder.conv1.bias", 2, {WIDTH, 1}},
    {"encoder.conv2.weight", 3, {WIDTH, WIDTH, 3}},
    {"encoder.conv2.bias", 2, {WIDTH, 1}},
    ATTENTION("encoder.blocks.0.attn"),
    MLPS("encoder.blocks.0.mlp"),
    NORM("encoder.ln_post"),
    {"decoder.token_embedding.weight", 2, {VOCABULARY, WIDTH}},
    {"decoder.positional_embedding", 2, {WRITTEN, WIDTH}},
    ATTENTION("decoder.blocks.0.attn"),
    ATTENTION("decoder.blocks.0.cross_attn"),
    MLPS("decoder.blocks.0.mlp"),
    NORM("decoder.ln"),
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

/* Value k of a tensor. The listener's positions have to be sinusoids. */
static float value_at(const struct shape *shape, uint32_t k)
{
    if (strcmp(shape->name, "encoder.positional_embedding") != 0)
        return (float)(k % 100) / 64;
    uint32_t t = k / WIDTH, i = k % WIDTH;
    double angle = t * (i % 2 ? 1e-4 : 1);
    return (float)(i < WIDTH / 2 ? sin(angle) : cos(angle));
}

static void put_shape(struct bytes *file, const struct shape *shape, uint32_t type)
{
    uint32_t count = 1;
    bytes_put_u32(file, shape->rank);
    bytes_put_u32(file, (uint32_t)strlen(shape->name));
    bytes_put_u32(file, type);
    for (uint32_t i = shape->rank; i-- > 0;) {
        bytes_put_u32(file, shape->sizes[i]);
        count *= shape->sizes[i];
    }
    bytes_put(file, shape->name, strlen(shape->name));
    for (uint32_t k = 0; k < count && type == 0; k++)
        bytes_put(file, &(float){value_at(shape, k)}, sizeof(float));
}

/* Where things are in the file. */
enum { AT_NUMBERS = 4, AT_FILTERS = 48, AT_TOKENS = AT_FILTERS + 8 + MELS * FREQUENCY_BINS * 4 };
enum { AT_FIRST_TOKEN = AT_TOKENS + 4, AT_TENSORS = AT_FIRST_TOKEN + 3 * 4 + 4 };

static struct bytes ggml_head(void)
{
    static const uint32_t numbers[] = {0x67676d6c, VOCABULARY, HEARD, WIDTH, HEADS, 1,
                                       WRITTEN,    WIDTH,      HEADS, 1,     MELS,  2000};
    static const char *const texts[] = {"a", "!", " c"};
    struct bytes file = {0};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        bytes_put_u32(&file, numbers[i]);
    bytes_put_u32(&file, MELS);
    bytes_put_u32(&file, FREQUENCY_BINS);
    for (uint32_t i = 0; i < MELS * FREQUENCY_BINS; i++)
        bytes_put(&file, &(float){(float)i}, sizeof(float));
    bytes_put_u32(&file, TEXT);
    for (uint32_t i = 0; i < TEXT; i++) {
        bytes_put_u32(&file, (uint32_t)strlen(texts[i]));
        bytes_put(&file, texts[i], strlen(texts[i]));
    }
    EXPECT_EQUAL_FATAL(file.length, AT_TENSORS);
    return file;
}

/* Without the tensor `left_out`, or with all. */
static struct bytes ggml_file(const char *left_out)
{
    struct bytes file = ggml_head();
    for (size_t i = 0; i < SHAPES; i++)
        if (!left_out || strcmp(shapes[i].name, left_out) != 0)
            put_shape(&file, &shapes[i], 0);
    return file;
}

static int read_bytes(const void *data, size_t size, struct checkpoint *checkpoint,
                      struct hearken_error *error)
{
    *checkpoint = (struct checkpoint){0};
    *error = (struct hearken_error){""};
    return ggml_read(checkpoint, (struct mapping){data, size}, "f", error);
}

/* Takes the file. */
static void ggml_refuses(struct bytes file, const char *text)
{
    struct checkpoint checkpoint;
    struct hearken_error error;
    void *copy = exact_copy(file.data, file.length);
    complains(read_bytes(copy, file.length, &checkpoint, &error), -EINVAL, &error, text);
    checkpoint_finish(&checkpoint);
    free(copy);
    bytes_finish(&file);
}

static void test_ggml(void)
{
    struct bytes file = ggml_file(NULL);
    struct checkpoint c;
    struct hearken_error error;
    CU_ASSERT(ggml_begins(file.data, 4) && !ggml_begins(file.data, 3));
    CU_ASSERT(!ggml_begins((const uint8_t *)"GGUF", 4));
    EXPECT_EQUAL_FATAL(read_bytes(file.data, file.length, &c, &error), 0);
    EXPECT_EQUAL_STRING(c.format, "whisper.cpp");
    EXPECT_EQUAL(c.count, SHAPES);
    CU_ASSERT(c.listener_heads == HEADS && c.speller_heads == HEADS);
    CU_ASSERT(c.mel_bands == MELS && c.mel_filters[FREQUENCY_BINS] == FREQUENCY_BINS);
    EXPECT_EQUAL(c.tokens.count, VOCABULARY);
    EXPECT_EQUAL_STRING(c.tokens.names[2], "\xc4\xa0"
                                           "c");
    EXPECT_EQUAL_STRING(c.tokens.names[3], "<|endoftext|>");
    const struct checkpoint_tensor *t = checkpoint_find(&c, "encoder.conv1.weight");
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT(t->rank == 3 && t->shape[0] == WIDTH && t->shape[1] == MELS && t->shape[2] == 3);
    float value;
    checkpoint_read(t, 5, 1, &value);
    EXPECT_EQUAL(value, 5.0f / 64);
    checkpoint_finish(&c);
    bytes_finish(&file);
}

/* Wherever it ends, it is refused with a reason, and nothing behind it is read. */
static void test_ggml_cut_short(void)
{
    struct bytes file = ggml_file(NULL);
    for (size_t size = 0; size < file.length; size += size < AT_TENSORS + 300 ? 1 : 97) {
        struct checkpoint c;
        struct hearken_error error;
        void *copy = exact_copy(file.data, size);
        EXPECT_EQUAL(read_bytes(copy, size, &c, &error), -EINVAL);
        EXPECT_NOT_EQUAL(error.message[0], 0);
        checkpoint_finish(&c);
        free(copy);
    }
    bytes_finish(&file);
    static const struct {
        size_t size;
        const char *text;
    } cases[] = {
        {3, "f: the file ends in the magic: 4 bytes expected at byte 0, 3 are left"},
        {46, "f: the file ends in ftype: 4 bytes expected at byte 44, 2 are left"},
        {60, "f: the file ends in the mel filters: 1608 bytes expected at byte 56, 4 are left"},
        {AT_TENSORS - 1, "f: the file ends in a token: 2 bytes expected at byte 1682, 1 are left"},
        {AT_TENSORS, "f: there are no tensors of a Whisper model in it"},
        {AT_TENSORS + 100, "f: 'encoder.positional_embedding' needs 64 bytes, but 52 are there "
                           "(truncated?)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bytes cut = ggml_file(NULL);
        cut.length = cases[i].size;
        ggml_refuses(cut, cases[i].text);
    }
}

/* One number of the file after the other is another. */
static void test_ggml_numbers_that_lie(void)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *text;
    } cases[] = {
        {4, 0, "f: n_vocab is 0, expected 1 to 1000000"},
        {4, UINT32_MAX, "f: n_vocab is -1, expected 1 to 1000000"},
        {4, VOCABULARY + 2,
         "1613 tokens, of which 3 are text: expected 1608 or 1609 special ones more"},
        {4, VOCABULARY + 1, "f: n_vocab is 1612, but 'decoder.token_embedding.weight' has 1611"},
        {8, 5, "f: n_audio_ctx is 5, but 'encoder.positional_embedding' has 4"},
        {12, 5, "f: n_audio_state is 5, but 'encoder.positional_embedding' has 4"},
        {20, 2, "f: n_audio_layer is 2, but 'encoder.blocks.1.mlp.0.weight' is missing"},
        {24, 4, "f: n_text_ctx is 4, but 'decoder.positional_embedding' has 3"},
        {28, 3, "f: n_text_state is 3, but 'decoder.positional_embedding' has 4"},
        {36, 0, "f: n_text_layer is 0, expected 1 to 1000000"},
        {40, 3, "f: n_mels is 3, but 'encoder.conv1.weight' has 2"},
        {AT_FILTERS, 513, "f: the number of mel bands is 513, expected 1 to 512"},
        {AT_FILTERS + 4, 200, "f: the number of frequencies is 200, expected 201 to 201"},
        {AT_FILTERS + 8, 0x7f800000, "f: the mel filters hold inf, expected finite numbers"},
        {AT_TOKENS, VOCABULARY + 1, "f: the number of tokens is 1612, expected 1 to 1611"},
        {AT_FIRST_TOKEN, 1000001, "f: the length of a token is 1000001, expected 0 to 1000000"},
        {AT_TENSORS, 0, "f: a tensor's rank is 0, expected 1 to 4"},
        {AT_TENSORS, 5, "f: a tensor's rank is 5, expected 1 to 4"},
        {AT_TENSORS + 4, 96, "f: the length of a tensor's name is 96, expected 1 to 95"},
        {AT_TENSORS + 8, 5,
         "f: 'encoder.positional_embedding' has type 5, expected F32 (0), F16 (1), Q4_0 (2), "
         "Q4_1 (3), Q5_0 (6), Q5_1 (7) or Q8_0 (8)"},
        {AT_TENSORS + 8, 8,
         "f: 'encoder.positional_embedding' is Q8_0 with rows of 4, expected a multiple of 32"},
        {AT_TENSORS + 12, 0, "f: a tensor's shape is 0, expected 1 to 2147483647"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bytes file = ggml_file(NULL);
        memcpy(file.data + cases[i].at, &cases[i].value, sizeof(cases[i].value));
        ggml_refuses(file, cases[i].text);
    }
}

static void test_ggml_tensors_that_lie(void)
{
    struct bytes file = ggml_file(NULL);
    put_shape(&file, &shapes[1], 0);
    ggml_refuses(file, "f: 'encoder.conv1.weight' is there twice");
    file = ggml_file(NULL);
    put_shape(&file, &(struct shape){"encoder.blocks.1.mlp.0.weight", 1, {1}}, 0);
    ggml_refuses(file, "f: n_audio_layer is 1, but there is 'encoder.blocks.1.mlp.0.weight'");
    file = ggml_head();
    memcpy(file.data + 44, &(uint32_t){1008}, 4);
    put_shape(&file, &(struct shape){"x", 2, {1, 32}}, 8);
    ggml_refuses(file, "f: 'x' is quantized in version 1, expected 2");
    file = ggml_head();
    put_shape(&file, &(struct shape){"x", 3, {INT32_MAX, INT32_MAX, INT32_MAX}}, 2);
    ggml_refuses(file, "f: 'x' has more than 2^61 values");
    /* The end of the text among the tokens. */
    file = ggml_head();
    file.length = AT_FIRST_TOKEN;
    bytes_put_u32(&file, 13);
    bytes_put(&file, "<|endoftext|>", 13);
    ggml_refuses(file, "f: token 0 of 3 is <|endoftext|>, expected it last");
}

/* ---- What makes a network ---- */

struct opened {
    struct bytes file;
    struct checkpoint checkpoint;
    struct hearken_error error;
    struct whisper whisper;
};

static void open_file(struct opened *o, const char *left_out)
{
    o->file = ggml_file(left_out);
    EXPECT_EQUAL_FATAL(read_bytes(o->file.data, o->file.length, &o->checkpoint, &o->error), 0);
}

static void close_file(struct opened *o)
{
    checkpoint_finish(&o->checkpoint);
    bytes_finish(&o->file);
}

static struct checkpoint_tensor *find(struct opened *o, const char *name)
{
    struct checkpoint_tensor *tensor =
        (struct checkpoint_tensor *)(uintptr_t)checkpoint_find(&o->checkpoint, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tensor);
    return tensor;
}

static void test_whisper(void)
{
    struct opened o;
    open_file(&o, NULL);
    EXPECT_EQUAL_FATAL(whisper_read(&o.whisper, &o.checkpoint, &o.error), 0);
    CU_ASSERT(o.whisper.mels == MELS && o.whisper.width == WIDTH && o.whisper.heads == HEADS);
    CU_ASSERT(o.whisper.mlp == MLP && o.whisper.vocabulary == VOCABULARY);
    CU_ASSERT(o.whisper.listener_layers == 1 && o.whisper.speller_layers == 1);
    CU_ASSERT(o.whisper.listener_positions == HEARD && o.whisper.speller_positions == WRITTEN);
    CU_ASSERT(!o.whisper.multilingual && !o.whisper.half_positions);
    close_file(&o);
}

#define WHISPER_REFUSES(text, ...)                                                                 \
    do {                                                                                           \
        struct opened o;                                                                           \
        open_file(&o, NULL);                                                                       \
        __VA_ARGS__;                                                                               \
        complains(whisper_read(&o.whisper, &o.checkpoint, &o.error), -EINVAL, &o.error, text);     \
        close_file(&o);                                                                            \
    } while (0)

static uint32_t *number(uint32_t value)
{
    uint32_t *made = malloc(sizeof(*made));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    *made = value;
    return made;
}

static void test_no_whisper(void)
{
    static const float other[VOCABULARY * WIDTH];
    WHISPER_REFUSES("'encoder.conv1.weight' is missing, expected a Whisper model",
                    find(&o, "encoder.conv1.weight")->name[0] = 'E');
    WHISPER_REFUSES("'encoder.conv1.weight' has rank 2 and dimension 1 is 2, expected rank 3 and 1 "
                    "to 512",
                    find(&o, "encoder.conv1.weight")->rank = 2);
    WHISPER_REFUSES("'encoder.conv1.weight' has rank 3 and dimension 1 is 513, expected rank 3 and "
                    "1 to 512",
                    find(&o, "encoder.conv1.weight")->shape[1] = 513);
    WHISPER_REFUSES("'decoder.token_embedding.weight' has rank 2 and dimension 0 is 4294967297, "
                    "expected rank 2 and 1 to 1000000",
                    find(&o, "decoder.token_embedding.weight")->shape[0] = 0x100000001);
    WHISPER_REFUSES("2 and 3 heads, expected the same number, from 1 to 64, that divides the width "
                    "4",
                    o.checkpoint.speller_heads = 3);
    WHISPER_REFUSES("3 and 3 heads, expected the same number, from 1 to 64, that divides the width "
                    "4",
                    o.checkpoint.listener_heads = o.checkpoint.speller_heads = 3);
    WHISPER_REFUSES("'encoder.positional_embedding' is not of floats or not as wide as the "
                    "network, 4",
                    find(&o, "encoder.positional_embedding")->shape[1] = 3);
    WHISPER_REFUSES("'encoder.positional_embedding' holds 0 for position 0, expected Whisper's "
                    "sinusoids",
                    find(&o, "encoder.positional_embedding")->data = (const uint8_t *)other);
    WHISPER_REFUSES("the projection to logits is not the embedding, expected the same weights",
                    strcpy(find(&o, "encoder.ln_post.weight")->name, "decoder.projection.weight");
                    EXPECT_EQUAL(checkpoint_sort(&o.checkpoint, "f", &o.error), 0));
    WHISPER_REFUSES("the vocabulary has 1612 tokens, expected the 1611 that the embedding has",
                    tokens_add(&o.checkpoint.tokens, "more", &o.error));
    WHISPER_REFUSES("filters for 3 mel bands, expected the 2 that the network has",
                    o.checkpoint.mel_bands = 3);
    WHISPER_REFUSES("heads that follow the sound: number 0 is 2, expected less than 2",
                    o.checkpoint.alignment_heads = ((struct number_list){number(2), 1}));
    WHISPER_REFUSES("suppressed tokens: number 0 is 1611, expected less than 1611",
                    o.checkpoint.suppress = ((struct number_list){number(VOCABULARY), 1}));
    WHISPER_REFUSES("tokens suppressed at the start: number 0 is 4294967295, expected less than "
                    "1611",
                    o.checkpoint.suppress_at_begin = ((struct number_list){number(UINT32_MAX), 1}));
}

/* The tokens that are not speech are found by their text; what was there stays. */
static void test_filling_in(void)
{
    struct opened o;
    open_file(&o, NULL);
    EXPECT_EQUAL_FATAL(whisper_read(&o.whisper, &o.checkpoint, &o.error), 0);
    o.checkpoint.suppress_at_begin = (struct number_list){number(7), 1};
    EXPECT_EQUAL(known_fill_in(&o.checkpoint, &o.whisper, &o.error), 0);
    EXPECT_EQUAL(o.checkpoint.alignment_heads.count, 0); /* of no known size */
    CU_ASSERT(o.checkpoint.suppress_at_begin.count == 1 &&
              o.checkpoint.suppress_at_begin.numbers[0] == 7);
    EXPECT_EQUAL_FATAL(o.checkpoint.suppress.count, 6); /* none of the text here */
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT(
            o.checkpoint.suppress.numbers[i] > TEXT &&
            (i == 0 || o.checkpoint.suppress.numbers[i] > o.checkpoint.suppress.numbers[i - 1]));
    close_file(&o);
}

static void test_known_heads(void)
{
    static const struct {
        struct whisper whisper;
        size_t count;
        uint32_t first;
    } cases[] = {
        {{.width = 384, .heads = 6, .listener_layers = 4, .speller_layers = 4}, 8, 6},
        {{.width = 384,
          .heads = 6,
          .listener_layers = 4,
          .speller_layers = 4,
          .multilingual = true},
         6,
         14},
        {{.width = 384, .heads = 8, .listener_layers = 4, .speller_layers = 4}, 0, 0},
        {{.width = 384, .heads = 6, .listener_layers = 4, .speller_layers = 2}, 0, 0},
        {{.width = 1280,
          .heads = 20,
          .listener_layers = 32,
          .speller_layers = 4,
          .vocabulary = 51866,
          .multilingual = true},
         6,
         44},
        {{.width = 1280,
          .heads = 20,
          .listener_layers = 32,
          .speller_layers = 32,
          .vocabulary = 51866,
          .multilingual = true},
         10,
         140},
        {{.width = 1280,
          .heads = 20,
          .listener_layers = 32,
          .speller_layers = 32,
          .vocabulary = 51865,
          .multilingual = true},
         0,
         0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct checkpoint c = {0};
        struct hearken_error error = {""};
        EXPECT_EQUAL(tokens_index(&c.tokens, &error), 0);
        EXPECT_EQUAL(known_fill_in(&c, &cases[i].whisper, &error), 0);
        EXPECT_EQUAL(c.alignment_heads.count, cases[i].count);
        CU_ASSERT(cases[i].count == 0 || c.alignment_heads.numbers[0] == cases[i].first);
        checkpoint_finish(&c);
    }
}

/* ---- Model files ---- */

static struct model_file model_of(struct opened *o)
{
    EXPECT_EQUAL_FATAL(whisper_read(&o->whisper, &o->checkpoint, &o->error), 0);
    EXPECT_EQUAL_FATAL(known_fill_in(&o->checkpoint, &o->whisper, &o->error), 0);
    return (struct model_file){
        .name = "tiny",
        .language = "en",
        .types = {GGUF_TENSOR_Q8_0, GGUF_TENSOR_Q8_0, .keep = true},
        .whisper = &o->whisper,
        .checkpoint = &o->checkpoint,
    };
}

static double number_of(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    return entry && entry->type != GGUF_STRING ? gguf_number(entry, 0) : (double)NAN;
}

static float float_of(const struct gguf *gguf, const char *name, size_t index)
{
    const struct gguf_tensor *tensor = gguf_find_tensor(gguf, name);
    float value = NAN;
    if (tensor && (index + 1) * sizeof(value) <= tensor->bytes)
        memcpy(&value, (const uint8_t *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

static void test_model_files(void)
{
    struct opened o;
    struct gguf *gguf = NULL;
    struct hearken_error error = {""};
    open_file(&o, NULL);
    const struct model_file model = model_of(&o);
    int file = model_file_make(&model, &o.error);
    CU_ASSERT_FATAL(file >= 0);
    EXPECT_EQUAL_FATAL(gguf_open_private(file, &gguf, &error), 0);
    close(file);
    EXPECT_EQUAL(number_of(gguf, "hearken.features.mels"), MELS);
    EXPECT_EQUAL(number_of(gguf, "hearken.features.window"), 3000);
    EXPECT_EQUAL(number_of(gguf, "hearken.listener.mlp"), MLP);
    EXPECT_EQUAL(number_of(gguf, "hearken.speller.positions"), WRITTEN);
    EXPECT_EQUAL(number_of(gguf, "hearken.speller.start"), 4); /* English: no language, no task */
    EXPECT_EQUAL(gguf_find_entry(gguf, "hearken.speller.start")->count, 2);
    EXPECT_EQUAL(number_of(gguf, "tokenizer.ggml.eos_token_id"), 3);
    EXPECT_EQUAL(gguf_find_entry(gguf, "tokenizer.ggml.tokens")->count, VOCABULARY);
    CU_ASSERT_PTR_NULL(gguf_find_entry(gguf, "hearken.speller.alignment_heads"));
    EXPECT_EQUAL(float_of(gguf, "features.mel_filters", 7), 7);
    EXPECT_EQUAL(float_of(gguf, "features.window", FFT / 2), 1);
    EXPECT_EQUAL(float_of(gguf, "speller.embedding.weight", 9), 9.0f / 64);
    /* Queries, keys and values one under the other; keys have no bias. */
    EXPECT_EQUAL(float_of(gguf, "listener.block.0.qkv.weight", WIDTH * WIDTH + 3), 3.0f / 64);
    EXPECT_EQUAL(float_of(gguf, "listener.block.0.qkv.bias", 1), 1.0f / 64);
    EXPECT_EQUAL(float_of(gguf, "listener.block.0.qkv.bias", WIDTH + 1), 0);
    EXPECT_EQUAL(float_of(gguf, "listener.block.0.qkv.bias", 2 * WIDTH + 1), 1.0f / 64);
    gguf_destroy(gguf);
    close_file(&o);
}

static void model_refuses(const char *left_out, const char *text)
{
    struct opened o;
    open_file(&o, left_out);
    const struct model_file model = model_of(&o);
    complains(model_file_make(&model, &o.error), -EINVAL, &o.error, text);
    close_file(&o);
}

static void test_what_a_model_file_lacks(void)
{
    struct opened o;
    model_refuses("encoder.conv2.bias", "'encoder.conv2.bias' is missing");
    model_refuses("decoder.blocks.0.cross_attn.value.bias",
                  "'decoder.blocks.0.cross_attn.value.bias' is missing");
    open_file(&o, NULL);
    struct model_file model = model_of(&o);
    find(&o, "decoder.ln.bias")->shape[0] = 5;
    complains(model_file_make(&model, &o.error), -EINVAL, &o.error,
              "'decoder.ln.bias' is 5 x 1 x 1 (rank 1), expected 4 x 1 x 1 (rank 1)");
    find(&o, "decoder.ln.bias")->shape[0] = 4;
    o.whisper.multilingual = true;
    model.language = "tlh";
    complains(model_file_make(&model, &o.error), -EINVAL, &o.error,
              "vocabulary: there is no token <|tlh|>");
    o.checkpoint.tokens.ids[5] = NO_TOKEN;
    model.language = "zh";
    EXPECT_EQUAL_STRING(o.checkpoint.tokens.names[6], "<|zh|>");
    o.checkpoint.tokens.ids[6] = NO_TOKEN;
    complains(model_file_make(&model, &o.error), -EINVAL, &o.error,
              "<|zh|> is not among the tokens to keep, expected it there");
    close_file(&o);
}

/* From a file of whisper.cpp's to an open model, and what is said of one that is none. */
static void test_opening_ggml(void)
{
    struct bytes bytes = ggml_file(NULL), bad = ggml_file("encoder.conv2.bias");
    struct hearken_error error = {""};
    struct gguf *gguf = NULL;
    bool translated = false;
    char text[256], *path = write_temporary(bytes.data, bytes.length);
    EXPECT_EQUAL_FATAL(model_file_open(path, GGUF_WHOLE, &gguf, &translated, &error), 0);
    CU_ASSERT(translated && float_of(gguf, "speller.embedding.weight", 9) == 9.0f / 64);
    gguf_destroy(gguf);
    EXPECT_EQUAL_FATAL(model_file_open(path, GGUF_HEAD, &gguf, NULL, &error), 0);
    EXPECT_EQUAL(number_of(gguf, "hearken.listener.mlp"), MLP);
    gguf_destroy(gguf);
    unlink(path);
    free(path);
    path = write_temporary(bad.data, bad.length);
    snprintf(text, sizeof(text), "%s: 'encoder.conv2.bias' is missing", path);
    EXPECT_EQUAL(model_file_open(path, GGUF_WHOLE, &gguf, NULL, &error), -EINVAL);
    EXPECT_EQUAL_STRING(error.message, text);
    unlink(path);
    EXPECT_EQUAL(model_file_open(path, GGUF_WHOLE, &gguf, &translated, &error), -ENOENT);
    snprintf(text, sizeof(text), "%s: No such file or directory", path);
    EXPECT_EQUAL_STRING(error.message, text);
    CU_ASSERT_FALSE(translated);
    free(path);
    bytes_finish(&bytes);
    bytes_finish(&bad);
}

/* ---- The writer ---- */

static const uint64_t square[] = {32, 2};

static struct gguf_writer *start_writer(const char *path, enum gguf_tensor_type type,
                                        struct hearken_error *error)
{
    struct gguf_writer *writer = NULL;
    EXPECT_EQUAL_FATAL(gguf_writer_create(path, &writer, error), 0);
    gguf_add_text(writer, "general.architecture", "x");
    gguf_add_tensor(writer, "t", type, 2, square);
    gguf_write_head(writer);
    return writer;
}

static void test_writer(void)
{
    char folder[] = "/tmp/hearken-writer-XXXXXX", path[64], text[128];
    struct hearken_error error = {""};
    struct gguf *gguf = NULL;
    struct stat status;
    float values[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/m.gguf", folder);
    for (int i = 0; i < 64; i++)
        values[i] = (float)i;
    struct gguf_writer *writer = start_writer(path, GGUF_TENSOR_F32, &error);
    gguf_write_values(writer, values, 32);
    CU_ASSERT(stat(path, &status) < 0);
    complains(gguf_writer_finish(writer), -EINVAL, &error, "tensor 't' lacks values");
    gguf_writer_destroy(writer);
    CU_ASSERT(stat(path, &status) < 0);
    writer = start_writer(path, GGUF_TENSOR_F32, &error);
    gguf_write_values(writer, values, 32);
    gguf_write_packed(writer, values + 32, 32);
    EXPECT_EQUAL(gguf_writer_finish(writer), 0);
    gguf_writer_destroy(writer);
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &gguf, &error), 0);
    EXPECT_EQUAL(float_of(gguf, "t", 63), 63);
    gguf_destroy(gguf);
    writer = start_writer(path, GGUF_TENSOR_F32, &error);
    gguf_write_values(writer, values, 64);
    gguf_write_values(writer, values, 32);
    snprintf(text, sizeof(text), "%s: more values than its tensors hold", path);
    complains(gguf_writer_finish(writer), -EINVAL, &error, text);
    gguf_writer_destroy(writer);
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &gguf, &error), 0); /* as it was */
    gguf_destroy(gguf);
    unlink(path);
    EXPECT_EQUAL(rmdir(folder), 0); /* nothing else was left there */
}

static void test_values_that_cannot_be_written(void)
{
    static const struct {
        enum gguf_tensor_type type;
        float value;
        const char *text; /* NULL: it can */
    } cases[] = {
        {GGUF_TENSOR_F32, 3e38f, NULL},
        {GGUF_TENSOR_F32, NAN, "tensor 't' holds nan, expected finite numbers"},
        {GGUF_TENSOR_F32, -INFINITY, "tensor 't' holds -inf, expected finite numbers"},
        {GGUF_TENSOR_F16, 65504, NULL},
        {GGUF_TENSOR_F16, 65520,
         "tensor 't' holds 65520, expected finite numbers that half precision holds"},
        {GGUF_TENSOR_Q5_0, 700000, NULL},
        {GGUF_TENSOR_Q5_0, -800000,
         "tensor 't' holds -800000, expected finite numbers that half precision holds"},
        {GGUF_TENSOR_Q8_0, 8e6f, NULL},
        {GGUF_TENSOR_Q8_0, 9e6f,
         "tensor 't' holds 9e+06, expected finite numbers that half precision holds"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct hearken_error error = {""};
        float values[64] = {0};
        values[40] = cases[i].value;
        struct gguf_writer *writer = start_writer(NULL, cases[i].type, &error);
        gguf_write_values(writer, values, 64);
        complains(gguf_writer_finish(writer), cases[i].text ? -ERANGE : 0, &error,
                  cases[i].text ? cases[i].text : "");
        gguf_writer_destroy(writer);
    }
}

static void test_places_that_cannot_be_written(void)
{
    struct gguf_writer *writer = NULL;
    struct hearken_error error = {""};
    complains(gguf_writer_create("/dev/null", &writer, &error), -EINVAL, &error,
              "/dev/null: expected a regular file or none");
    complains(gguf_writer_create("/tmp", &writer, &error), -EINVAL, &error,
              "/tmp: expected a regular file or none");
    complains(gguf_writer_create("/nonexistent/x", &writer, &error), -ENOENT, &error,
              "/nonexistent/x: No such file or directory");
    CU_ASSERT_PTR_NULL(writer);
    gguf_writer_destroy(NULL);
}

void add_checkpoint_tests(void)
{
    CU_pSuite suite = CU_add_suite("checkpoints", NULL, NULL);
    CU_add_test(suite, "reading values", test_reading_values);
    CU_add_test(suite, "tensors that lie", test_tensors_that_lie);
    CU_add_test(suite, "loading", test_loading);
    CU_add_test(suite, "releasing", test_releasing);
    CU_add_test(suite, "bytes as characters", test_bytes_as_characters);
    CU_add_test(suite, "special tokens", test_special_tokens);
    CU_add_test(suite, "wrong numbers of tokens", test_wrong_numbers_of_tokens);
    CU_add_test(suite, "keeping tokens", test_keeping_tokens);
    CU_add_test(suite, "mel filters", test_mel_filters);
    CU_add_test(suite, "ggml", test_ggml);
    CU_add_test(suite, "ggml: cut short", test_ggml_cut_short);
    CU_add_test(suite, "ggml: numbers that lie", test_ggml_numbers_that_lie);
    CU_add_test(suite, "ggml: tensors that lie", test_ggml_tensors_that_lie);
    CU_add_test(suite, "Whisper", test_whisper);
    CU_add_test(suite, "no Whisper", test_no_whisper);
    CU_add_test(suite, "filling in", test_filling_in);
    CU_add_test(suite, "known heads", test_known_heads);
    CU_add_test(suite, "model files", test_model_files);
    CU_add_test(suite, "what a model file lacks", test_what_a_model_file_lacks);
    CU_add_test(suite, "opening ggml", test_opening_ggml);
    CU_add_test(suite, "writer", test_writer);
    CU_add_test(suite, "values that cannot be written", test_values_that_cannot_be_written);
    CU_add_test(suite, "places that cannot be written", test_places_that_cannot_be_written);
}
