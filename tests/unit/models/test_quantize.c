// SPDX-License-Identifier: MIT
/* Half precision and blocks of values; a network whose embedding is Q5_0 against one that has the
 * same values as F32. */
#include "include/internal/half.h"
#include "models/checkpoint/quantize.h"
#include "models/network/speller.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL     HEARKEN_SOURCE_ROOT "/tests/parity/transformer.gguf"
#define EMBEDDING "speller.embedding.weight"
#define STEPS     9u

void add_quantize_tests(void);

/* ---- Values ---- */

static void test_half_precision(void)
{
    static const struct {
        float value;
        uint16_t half;
    } cases[] = {
        {0, 0},
        {-0.0f, 0x8000},
        {1, 0x3c00},
        {-2, 0xc000},
        {65504, 0x7bff},
        {65519.996f, 0x7bff},
        {65520, 0x7c00},
        {-1e30f, 0xfc00},
        {0x1p-24f, 1},
        {0x1p-25f, 0},        /* a tie, to even */
        {0x1.8p-24f, 2},      /* a tie, to even */
        {0x1.000002p-25f, 1}, /* above the tie */
        {0x1p-14f, 0x0400},   /* the least that is normal */
        {0x1.004p0f, 0x3c01},
        {0x1.002p0f, 0x3c00}, /* a tie, to even */
        {0x1.006p0f, 0x3c02}, /* a tie, to even */
        {INFINITY, 0x7c00},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        EXPECT_EQUAL(half_from_float(cases[i].value), cases[i].half);
    for (uint32_t half = 0; half < 0x10000; half++) {
        float value = float_from_half((uint16_t)half);
        if (!isnan(value))
            EXPECT_EQUAL(half_from_float(value), half);
    }
    CU_ASSERT(isnan(float_from_half(0x7c01)));
    EXPECT_EQUAL(float_from_bfloat(0x3f80), 1);
    EXPECT_EQUAL(float_from_bfloat(0xc000), -2);
}

/* Number i is i modulo 16, its fifth bit set in every third; the scale is 1/2, the least -1. */
static void test_blocks(void)
{
    uint8_t q4_0[Q4_0_BLOCK_BYTES] = {0x00, 0x38},
            q4_1[Q4_1_BLOCK_BYTES] = {0x00, 0x38, 0x00, 0xbc};
    uint8_t q5_0[Q5_0_BLOCK_BYTES] = {0x00, 0x38},
            q5_1[Q5_1_BLOCK_BYTES] = {0x00, 0x38, 0x00, 0xbc};
    uint8_t q8_0[Q8_0_BLOCK_BYTES] = {0x00, 0x38};
    float out[BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint8_t low = (uint8_t)(i % 16 << (i < 16 ? 0 : 4)), fifth = (uint8_t)(i % 3 == 0);
        q4_0[2 + i % 16] |= low;
        q4_1[4 + i % 16] |= low;
        q5_0[6 + i % 16] |= low;
        q5_1[8 + i % 16] |= low;
        q5_0[2 + i / 8] |= (uint8_t)(fifth << i % 8);
        q5_1[4 + i / 8] |= (uint8_t)(fifth << i % 8);
        q8_0[2 + i] = (uint8_t)(i * 5 - 128);
    }
    expand_q4_0(q4_0, BLOCK, out);
    for (uint32_t i = 0; i < BLOCK; i++)
        EXPECT_EQUAL(out[i], 0.5f * ((float)(i % 16) - 8));
    expand_q4_1(q4_1, BLOCK, out);
    for (uint32_t i = 0; i < BLOCK; i++)
        EXPECT_EQUAL(out[i], 0.5f * (float)(i % 16) - 1);
    expand_q5_0(q5_0, BLOCK, out);
    for (uint32_t i = 0; i < BLOCK; i++)
        EXPECT_EQUAL(out[i], 0.5f * ((float)(i % 16 + (i % 3 ? 0 : 16)) - 16));
    expand_q5_1(q5_1, BLOCK, out);
    for (uint32_t i = 0; i < BLOCK; i++)
        EXPECT_EQUAL(out[i], 0.5f * (float)(i % 16 + (i % 3 ? 0 : 16)) - 1);
    expand_q8_0(q8_0, BLOCK, out);
    for (uint32_t i = 0; i < BLOCK; i++)
        EXPECT_EQUAL(out[i], 0.5f * (float)(int8_t)(uint8_t)(i * 5 - 128));
}

/* What a block can hold, it holds; zeros do not divide by zero. */
static void test_blocks_there_and_back(void)
{
    uint8_t q8_0[2 * Q8_0_BLOCK_BYTES], q5_0[2 * Q5_0_BLOCK_BYTES];
    float values[2 * BLOCK] = {0}, out[2 * BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++)
        values[BLOCK + i] = i == 0 ? -127 * 0.25f : 0.25f * ((float)i * 4 - 60);
    quantize_q8_0(values, 2 * BLOCK, q8_0);
    expand_q8_0(q8_0, 2 * BLOCK, out);
    for (uint32_t i = 0; i < 2 * BLOCK; i++)
        EXPECT_EQUAL(out[i], values[i]);
    for (uint32_t i = 0; i < BLOCK; i++)
        values[BLOCK + i] = 0.25f * ((float)i - 16);
    quantize_q5_0(values, 2 * BLOCK, q5_0);
    expand_q5_0(q5_0, 2 * BLOCK, out);
    for (uint32_t i = 0; i < 2 * BLOCK; i++)
        EXPECT_EQUAL(out[i], values[i]);
}

/* ---- In a network ---- */

/* `numbers` [32], 0 to 31, and their scale as the file has them; the scale is 2^-4 or 2^-5. */
static void put_block(struct bytes *bytes, const uint8_t *numbers, bool small)
{
    uint16_t half = small ? 0x2800 : 0x2c00;
    uint32_t fifth = 0;
    uint8_t low[BLOCK / 2] = {0};
    for (uint32_t i = 0; i < BLOCK; i++) {
        fifth |= (uint32_t)(numbers[i] / 16) << i;
        low[i % 16] |= (uint8_t)(numbers[i] % 16 << (i < 16 ? 0 : 4));
    }
    bytes_put(bytes, &half, sizeof(half));
    bytes_put(bytes, &fifth, sizeof(fifth));
    bytes_put(bytes, low, sizeof(low));
}

/* Random numbers, as Q5_0 and as the floats that they stand for. */
static void make_values(size_t count, struct bytes *blocks, struct bytes *floats)
{
    unsigned seed = 5;
    for (size_t b = 0; b < count / BLOCK; b++) {
        uint8_t numbers[BLOCK];
        bool small = b % 3 == 0;
        for (uint32_t i = 0; i < BLOCK; i++) {
            numbers[i] = (uint8_t)(rand_r(&seed) % 32);
            float value = (small ? 0x1p-5f : 0x1p-4f) * ((float)numbers[i] - 16);
            bytes_put(floats, &value, sizeof(value));
        }
        put_block(blocks, numbers, small);
    }
}

/* The logits of the first token, [vocabulary], on a memory of waves; malloc'ed. */
static float *first_logits(struct made_file *file)
{
    struct bytes bytes = made_bytes(file);
    char *path = write_temporary(bytes.data, bytes.length);
    struct hearken_error error = {""};
    struct hearken_backend_options options = {.struct_size = sizeof(options),
                                              .backend = "reference"};
    struct network *network;
    EXPECT_EQUAL_FATAL(network_open(path, &options, &network, &error), 0);
    struct pass pass = {.kernels = network->compute->kernels};
    EXPECT_EQUAL_FATAL(
        network->compute->plugin->queue_create(network->compute->backend, &pass.queue), 0);
    uint32_t width = network->parameters.listener.memory_width;
    uint32_t vocabulary = network->parameters.speller.vocabulary;
    float *memory = calloc((size_t)STEPS * width, sizeof(*memory));
    float *logits = calloc(vocabulary, sizeof(*logits));
    struct storage storage = {0};
    struct speller *speller;
    CU_ASSERT_FATAL(memory && logits && speller_create(network, 1, &speller) == 0);
    for (size_t i = 0; i < (size_t)STEPS * width; i++)
        memory[i] = sinf((float)i);
    pass_reserve(&pass, &storage, (size_t)STEPS * width);
    pass_write(&pass, matrix_of(&storage, STEPS, width), memory);
    speller_set_memory(speller, &pass, matrix_of(&storage, STEPS, width),
                       (struct hearken_stand_ins){0});
    pass_read(&pass, speller_start(speller, &pass), logits);
    EXPECT_EQUAL(pass.error, 0);
    speller_destroy(speller, &pass);
    pass_release(&pass, &storage);
    network->compute->plugin->queue_destroy(pass.queue);
    network_destroy(network);
    unlink(path);
    free(path);
    free(memory);
    bytes_finish(&bytes);
    return logits;
}

static void test_five_bits_mean_their_values(void)
{
    struct hearken_error error = {""};
    struct gguf *gguf;
    struct bytes blocks = {0}, floats = {0};
    EXPECT_EQUAL_FATAL(gguf_open(MODEL, GGUF_WHOLE, &gguf, &error), 0);
    const struct gguf_tensor *embedding = gguf_find_tensor(gguf, EMBEDDING);
    CU_ASSERT_PTR_NOT_NULL_FATAL(embedding);
    uint64_t shape[GGUF_MAX_RANK] = {embedding->shape[0], embedding->shape[1]};
    make_values(shape[0] * shape[1], &blocks, &floats);
    struct made_file file = made_copy(gguf);
    made_remove(&file, EMBEDDING);
    made_tensor(&file, EMBEDDING, GGUF_TENSOR_Q5_0, shape, blocks.data, blocks.length);
    float *ours = first_logits(&file);
    made_remove(&file, EMBEDDING);
    made_tensor(&file, EMBEDDING, GGUF_TENSOR_F32, shape, floats.data, floats.length);
    float *expected = first_logits(&file);
    double largest = 0, difference = 0;
    for (uint64_t i = 0; i < shape[1]; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        difference = fmax(difference, fabs((double)ours[i] - (double)expected[i]));
    }
    CU_ASSERT(largest > 0.1);
    CU_ASSERT(difference <= 1e-5 * largest);
    free(ours);
    free(expected);
    bytes_finish(&blocks);
    bytes_finish(&floats);
    made_finish(&file);
    gguf_destroy(gguf);
}

void add_quantize_tests(void)
{
    CU_pSuite suite = CU_add_suite("quantized", NULL, NULL);
    CU_add_test(suite, "half precision", test_half_precision);
    CU_add_test(suite, "blocks", test_blocks);
    CU_add_test(suite, "blocks there and back", test_blocks_there_and_back);
    CU_add_test(suite, "five bits mean their values", test_five_bits_mean_their_values);
}
