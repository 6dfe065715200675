// SPDX-License-Identifier: MIT
/* A network whose embedding is Q5_0 against one that has the same values as F32. */
#include "models/network/speller.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL     HEARKEN_SOURCE_ROOT "/tests/parity/transformer.gguf"
#define EMBEDDING "speller.embedding.weight"
#define BLOCK     32u
#define STEPS     9u

void add_quantize_tests(void);

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
    struct hearken_backend_options options = {.backend = "reference"};
    struct network *network;
    CU_ASSERT_EQUAL_FATAL(network_open(path, &options, &network, &error), 0);
    struct pass pass = {.kernels = network->compute->kernels};
    CU_ASSERT_EQUAL_FATAL(
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
    CU_ASSERT_EQUAL(pass.error, 0);
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
    CU_ASSERT_EQUAL_FATAL(gguf_open(MODEL, GGUF_WHOLE, &gguf, &error), 0);
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
    CU_add_test(suite, "five bits mean their values", test_five_bits_mean_their_values);
}
