// SPDX-License-Identifier: MIT
/* The voice network against its formulas, in double precision and written down anew. */
#include "models/vad/vad.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_vad_tests(void);

/* ---- Files ---- */

static void put(struct made_file *file, const char *name, uint32_t columns, uint32_t rows,
                const float *values)
{
    made_tensor(file, name, GGUF_TENSOR_F32, (uint64_t[4]){columns, rows}, values,
                (size_t)columns * rows * sizeof(*values));
}

static void put_keys(struct made_file *file, uint32_t mels, uint32_t width, uint32_t layers)
{
    made_number(file, "hearken.voice.mels", GGUF_U32, mels);
    made_number(file, "hearken.voice.width", GGUF_U32, width);
    made_number(file, "hearken.voice.layers", GGUF_U32, layers);
    made_number(file, "hearken.voice.floor", GGUF_F32, -8);
    made_number(file, "hearken.voice.shift", GGUF_F32, 3);
    made_number(file, "hearken.voice.scale", GGUF_F32, 2);
}

/* One band, one unit, one layer, every weight another. */
static struct made_file smallest(void)
{
    struct made_file file = {0};
    put_keys(&file, 1, 1, 1);
    put(&file, "voice.input.weight", 1, 1, (const float[]){0.5f});
    put(&file, "voice.input.bias", 1, 1, (const float[]){0.25f});
    put(&file, "voice.layer.0.input.weight", 1, 3, (const float[]){0.7f, -0.3f, 1.1f});
    put(&file, "voice.layer.0.input.bias", 3, 1, (const float[]){0.1f, 0.2f, -0.4f});
    put(&file, "voice.layer.0.hidden.weight", 1, 3, (const float[]){-0.6f, 0.9f, 1.3f});
    put(&file, "voice.layer.0.hidden.bias", 3, 1, (const float[]){0.05f, -0.15f, 0.35f});
    put(&file, "voice.output.weight", 1, 1, (const float[]){2});
    put(&file, "voice.output.bias", 1, 1, (const float[]){-0.5f});
    return file;
}

static int read_file(struct made_file *file, uint32_t mels, struct vad **voice,
                     struct hearken_error *error)
{
    struct gguf *gguf = NULL;
    struct bytes bytes = made_bytes(file);
    void *copy = exact_copy(bytes.data, bytes.length);
    int result = gguf_open_memory(copy, bytes.length, &gguf, error);
    EXPECT_EQUAL_FATAL(result, 0);
    result = vad_read(gguf, mels, voice, error);
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&bytes);
    return result;
}

static struct vad *open_voice(struct made_file *file, uint32_t mels)
{
    struct vad *voice = NULL;
    struct hearken_error error = {""};
    EXPECT_EQUAL(read_file(file, mels, &voice, &error), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(voice);
    made_finish(file);
    return voice;
}

/* ---- Hearing ---- */

/*
 * By hand. Frame 1: log-mel 1 is scaled to 2, the input gives 1.25.
 *     reset 1 / (1 + e^-1.025) = 0.735945, update 1 / (1 + e^0.325) = 0.419458,
 *     new tanh(0.975 + 0.735945 * 0.35) = tanh(1.232581) = 0.843326,
 *     h 0.580542 * 0.843326 = 0.489587; the output 1 / (1 + e^-0.479173) = 0.617553.
 * Frame 2: log-mel -20 is taken for the floor -8, scaled to -2.5; the input gives -1, so 0.
 *     reset 1 / (1 + e^0.143752) = 0.464124, update 1 / (1 + e^-0.490628) = 0.620254,
 *     new tanh(-0.4 + 0.464124 * 0.986463) = tanh(0.057841) = 0.057776,
 *     h 0.379746 * 0.057776 + 0.620254 * 0.489587 = 0.325609; the output 0.537732.
 */
static void test_by_hand(void)
{
    struct made_file file = smallest();
    struct vad *voice = open_voice(&file, 1);
    struct vad_state *state = NULL;
    EXPECT_EQUAL_FATAL(vad_state_create(voice, &state), 0);
    EXPECT_CLOSE(vad_process(state, (const float[]){1}), 0.617553, 2e-6);
    EXPECT_CLOSE(vad_process(state, (const float[]){-20}), 0.537732, 2e-6);
    vad_state_destroy(state);
    vad_destroy(voice);
}

#define MELS   19u
#define WIDTH  11u
#define LAYERS 2u

struct random_weights {
    float input[WIDTH * MELS], input_bias[WIDTH];
    float from_input[LAYERS][3 * WIDTH * WIDTH], from_input_bias[LAYERS][3 * WIDTH];
    float from_hidden[LAYERS][3 * WIDTH * WIDTH], from_hidden_bias[LAYERS][3 * WIDTH];
    float output[WIDTH], output_bias;
};

/* Half precision holds it. */
static float random_value(void)
{
    return (float)(rand() % 257 - 128) / 128;
}

static struct made_file random_file(struct random_weights *w)
{
    struct made_file file = {0};
    for (size_t i = 0; i < sizeof(*w) / sizeof(float); i++)
        ((float *)w)[i] = random_value();
    put_keys(&file, MELS, WIDTH, LAYERS);
    put(&file, "voice.input.weight", MELS, WIDTH, w->input);
    put(&file, "voice.input.bias", WIDTH, 1, w->input_bias);
    for (uint32_t i = 0; i < LAYERS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "voice.layer.%u.input.weight", i);
        put(&file, name, WIDTH, 3 * WIDTH, w->from_input[i]);
        snprintf(name, sizeof(name), "voice.layer.%u.input.bias", i);
        put(&file, name, 3 * WIDTH, 1, w->from_input_bias[i]);
        snprintf(name, sizeof(name), "voice.layer.%u.hidden.weight", i);
        put(&file, name, WIDTH, 3 * WIDTH, w->from_hidden[i]);
        snprintf(name, sizeof(name), "voice.layer.%u.hidden.bias", i);
        put(&file, name, 3 * WIDTH, 1, w->from_hidden_bias[i]);
    }
    put(&file, "voice.output.weight", WIDTH, 1, w->output);
    put(&file, "voice.output.bias", 1, 1, &w->output_bias);
    return file;
}

static double row_times(const float *weight, uint32_t columns, uint32_t row, float bias,
                        const double *x)
{
    double sum = (double)bias;
    for (uint32_t i = 0; i < columns; i++)
        sum += (double)weight[row * columns + i] * x[i];
    return sum;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void expect_layer(const struct random_weights *w, uint32_t l, double *x, double *h)
{
    double next[WIDTH], gate[3][WIDTH], own[WIDTH];
    for (uint32_t g = 0; g < 3; g++)
        for (uint32_t i = 0; i < WIDTH; i++) {
            uint32_t row = g * WIDTH + i;
            gate[g][i] = row_times(w->from_input[l], WIDTH, row, w->from_input_bias[l][row], x);
            own[i] = row_times(w->from_hidden[l], WIDTH, row, w->from_hidden_bias[l][row], h);
            gate[g][i] =
                g < 2 ? sigmoid(gate[g][i] + own[i]) : tanh(gate[g][i] + gate[0][i] * own[i]);
        }
    for (uint32_t i = 0; i < WIDTH; i++)
        next[i] = (1 - gate[1][i]) * gate[2][i] + gate[1][i] * h[i];
    memcpy(h, next, sizeof(next));
    memcpy(x, next, sizeof(next));
}

static double expected_of(const struct random_weights *w, const float *frame,
                          double hidden[LAYERS][WIDTH])
{
    double scaled[MELS], x[WIDTH];
    for (uint32_t i = 0; i < MELS; i++)
        scaled[i] = (fmax((double)frame[i], -8) + 3) / 2;
    for (uint32_t i = 0; i < WIDTH; i++)
        x[i] = fmax(row_times(w->input, MELS, i, w->input_bias[i], scaled), 0);
    for (uint32_t l = 0; l < LAYERS; l++)
        expect_layer(w, l, x, hidden[l]);
    return sigmoid(row_times(w->output, WIDTH, 0, w->output_bias, x));
}

/* Sizes that are no multiple of anything, and two states that know nothing of each other. */
static void test_random_weights(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("\n    seed %u ", seed);
    srand(seed);
    struct random_weights w;
    struct made_file file = random_file(&w);
    struct vad *voice = open_voice(&file, MELS);
    struct vad_state *state = NULL, *other = NULL;
    double hidden[LAYERS][WIDTH] = {{0}};
    EXPECT_EQUAL_FATAL(vad_state_create(voice, &state), 0);
    EXPECT_EQUAL_FATAL(vad_state_create(voice, &other), 0);
    for (uint32_t t = 0; t < 50; t++) {
        float frame[MELS], noise[MELS];
        for (uint32_t i = 0; i < MELS; i++) {
            frame[i] = 6 * random_value() - 4;
            noise[i] = 6 * random_value() - 4;
        }
        double expected = expected_of(&w, frame, hidden);
        EXPECT_CLOSE(vad_process(state, frame), expected, 1e-4);
        vad_process(other, noise);
    }
    vad_state_destroy(other);
    vad_state_destroy(state);
    vad_destroy(voice);
}

/* The network that is installed, and what PyTorch makes of a recording's beginning with the same
 * weights (models/train/voice/export.py). */
static void test_against_pytorch(void)
{
    struct gguf *model = NULL, *parity = NULL;
    struct vad *voice = NULL;
    struct vad_state *state = NULL;
    const char *folder = HEARKEN_SOURCE_ROOT "/";
    char path[4096];
    snprintf(path, sizeof(path), "%smodels/data/voice.gguf", folder);
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &model, NULL), 0);
    snprintf(path, sizeof(path), "%stests/parity/voice-parity.gguf", folder);
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &parity, NULL), 0);
    const struct gguf_tensor *logmel = gguf_find_tensor(parity, "log_mel");
    const struct gguf_tensor *theirs = gguf_find_tensor(parity, "probabilities");
    CU_ASSERT_FATAL(logmel && theirs && logmel->shape[1] == theirs->shape[0]);
    EXPECT_EQUAL_FATAL(vad_read(model, (uint32_t)logmel->shape[0], &voice, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(voice);
    EXPECT_EQUAL_FATAL(vad_state_create(voice, &state), 0);
    double largest = 0, lowest = 1, highest = 0;
    for (uint64_t t = 0; t < logmel->shape[1]; t++) {
        const float *frame = (const float *)logmel->data + t * logmel->shape[0];
        double ours = (double)vad_process(state, frame);
        largest = fmax(largest, fabs(ours - (double)((const float *)theirs->data)[t]));
        lowest = fmin(lowest, ours);
        highest = fmax(highest, ours);
    }
    CU_ASSERT(largest < 1e-4);
    CU_ASSERT(lowest < 0.1 && highest > 0.9);
    vad_state_destroy(state);
    vad_destroy(voice);
    gguf_destroy(parity);
    gguf_destroy(model);
}

/* ---- Reading ---- */

static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 255, fraction = bits >> 13 & 1023;
    return (uint16_t)(sign | (exponent > 0 ? (exponent - 112) << 10 | fraction : 0));
}

/* Weights of half precision are the same weights. */
static void test_half_precision(void)
{
    struct random_weights w;
    float frame[MELS];
    srand(7);
    struct made_file single = random_file(&w);
    struct made_file half = {0};
    srand(7);
    half = random_file(&w);
    for (size_t i = 0; i < half.tensor_count; i++) {
        struct made_tensor *tensor = &half.tensors[i];
        size_t count = tensor->data.length / 4;
        for (size_t k = 0; k < count; k++) {
            float value;
            memcpy(&value, tensor->data.data + 4 * k, sizeof(value));
            uint16_t bits = half_of(value);
            memcpy(tensor->data.data + 2 * k, &bits, sizeof(bits));
        }
        tensor->data.length = 2 * count;
        tensor->type = GGUF_TENSOR_F16;
    }
    struct vad *a = open_voice(&single, MELS), *b = open_voice(&half, MELS);
    struct vad_state *state_a = NULL, *state_b = NULL;
    EXPECT_EQUAL_FATAL(vad_state_create(a, &state_a), 0);
    EXPECT_EQUAL_FATAL(vad_state_create(b, &state_b), 0);
    for (uint32_t t = 0; t < 20; t++) {
        for (uint32_t i = 0; i < MELS; i++)
            frame[i] = random_value();
        EXPECT_EQUAL(vad_process(state_a, frame), vad_process(state_b, frame));
    }
    vad_state_destroy(state_a);
    vad_state_destroy(state_b);
    vad_destroy(a);
    vad_destroy(b);
}

static void test_none(void)
{
    struct made_file file = smallest();
    struct vad *voice = NULL;
    made_remove(&file, "hearken.voice.width");
    EXPECT_EQUAL(read_file(&file, 1, &voice, NULL), 0);
    CU_ASSERT_PTR_NULL(voice);
    made_finish(&file);
    vad_destroy(NULL);
    vad_state_destroy(NULL);
}

static void refuses(struct made_file *file, uint32_t mels, const char *message)
{
    struct vad *voice = NULL;
    struct hearken_error error = {""};
    EXPECT_EQUAL(read_file(file, mels, &voice, &error), -EINVAL);
    CU_ASSERT_PTR_NULL(voice);
    EXPECT_EQUAL_STRING(error.message, message);
    made_finish(file);
}

static void test_wrong_keys(void)
{
    const struct {
        const char *key;
        double value;
        const char *message;
    } wrong[] = {
        {"hearken.voice.mels", 2, "hearken.voice.mels is 2, expected a whole number from 1 to 1"},
        {"hearken.voice.width", 0,
         "hearken.voice.width is 0, expected a whole number from 1 to 256"},
        {"hearken.voice.width", 257,
         "hearken.voice.width is 257, expected a whole number from 1 to 256"},
        {"hearken.voice.layers", 5,
         "hearken.voice.layers is 5, expected a whole number from 1 to 4"},
        {"hearken.voice.scale", 0,
         "hearken.voice.scale is 0, expected a number from 0.001 to 1000"},
        {"hearken.voice.floor", NAN,
         "hearken.voice.floor is nan, expected a number from -1000 to 1000"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct made_file file = smallest();
        made_number(&file, wrong[i].key, GGUF_F32, wrong[i].value);
        refuses(&file, 1, wrong[i].message);
    }
    struct made_file file = smallest();
    made_remove(&file, "hearken.voice.shift");
    refuses(&file, 1, "hearken.voice.shift is missing, expected a number from -1000 to 1000");
    file = smallest();
    made_string(&file, "hearken.voice.shift", "3");
    refuses(&file, 1, "hearken.voice.shift is no number, expected a number from -1000 to 1000");
}

static void test_wrong_tensors(void)
{
    struct made_file file = smallest();
    made_remove(&file, "voice.layer.0.hidden.bias");
    refuses(&file, 1, "tensor 'voice.layer.0.hidden.bias' is missing, expected 1 x 3");
    file = smallest();
    made_remove(&file, "voice.layer.0.input.weight");
    put(&file, "voice.layer.0.input.weight", 3, 1, (const float[]){1, 2, 3});
    refuses(&file, 1, "tensor 'voice.layer.0.input.weight' is 1 x 1 x 1 x 3, expected 3 x 1");
    file = smallest();
    made_remove(&file, "voice.output.weight");
    made_tensor(&file, "voice.output.weight", GGUF_TENSOR_I32, (uint64_t[4]){1},
                (const int32_t[]){1}, 4);
    refuses(&file, 1, "tensor 'voice.output.weight' is I32, expected F32 or F16");
    file = smallest();
    made_remove(&file, "voice.input.weight");
    put(&file, "voice.input.weight", 1, 1, (const float[]){INFINITY});
    refuses(&file, 1, "tensor 'voice.input.weight' holds what is no number, expected finite ones");
}

void add_vad_tests(void)
{
    CU_pSuite suite = CU_add_suite("voice", NULL, NULL);
    CU_add_test(suite, "by hand", test_by_hand);
    CU_add_test(suite, "random weights", test_random_weights);
    CU_add_test(suite, "against PyTorch", test_against_pytorch);
    CU_add_test(suite, "half precision", test_half_precision);
    CU_add_test(suite, "a file without", test_none);
    CU_add_test(suite, "wrong keys", test_wrong_keys);
    CU_add_test(suite, "wrong tensors", test_wrong_tensors);
}
