// SPDX-License-Identifier: MIT
/* Stand-ins for the silence in the window that a network was trained on. */
#include "models/network/listener.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_window_tests(void);

#define WINDOW 200u /* frames */
#define SOUND  40u  /* of them */

struct shared_recognition {
    struct session session;
    struct listener *listener;
    float *features; /* [WINDOW, mels]: sound, then silence */
};

static void open_hearing(struct shared_recognition *h, uint32_t seed)
{
    struct model_shape shape = transformer_shape(seed);
    shape.pyramid = 1;
    shape.memory_width = shape.width;
    shape.positions = WINDOW / 2;
    struct made_file file = make_model(&shape);
    open_session(&h->session, open_network(&file));
    made_finish(&file);
    h->session.network->parameters.features.window = WINDOW;
    EXPECT_EQUAL_FATAL(listener_create(h->session.network, &h->listener), 0);
    h->features = calloc((size_t)WINDOW * shape.mels, sizeof(*h->features));
    CU_ASSERT_PTR_NOT_NULL_FATAL(h->features);
    srand(seed);
    for (size_t i = 0; i < (size_t)WINDOW * shape.mels; i++)
        h->features[i] = i < (size_t)SOUND * shape.mels ? random_number(1) : -0.5f;
}

static void close_hearing(struct shared_recognition *h)
{
    listener_destroy(h->listener, &h->session.pass);
    free(h->features);
    close_session(&h->session);
}

/* What is left of the window after `frames`; the caller's: free. */
static float *hear(struct shared_recognition *h, uint32_t frames,
                   struct hearken_stand_ins *stand_ins, uint32_t *rows)
{
    struct hearken_matrix memory =
        listener_encode_window(h->listener, &h->session.pass, h->features, frames, stand_ins);
    float *numbers = calloc((size_t)memory.rows * memory.columns, sizeof(*numbers));
    CU_ASSERT_PTR_NOT_NULL_FATAL(numbers);
    pass_read(&h->session.pass, memory, numbers);
    EXPECT_EQUAL_FATAL(h->session.pass.error, 0);
    *rows = memory.rows;
    return numbers;
}

/* Where positions make no difference, it makes none how much silence is there in full. */
static void test_silence_weighs_the_same(void)
{
    struct shared_recognition h;
    open_hearing(&h, 3);
    struct network *network = h.session.network;
    const struct hearken_tensor *sinusoids = network->listener.positions;
    const uint32_t width = network->parameters.listener.width;
    float *zeros = calloc((size_t)WINDOW / 2 * width, sizeof(*zeros));
    const struct hearken_weights weights = {
        HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, WINDOW / 2, width, 1, zeros};
    struct hearken_tensor *none;
    const struct compute *compute = network->compute;
    EXPECT_EQUAL_FATAL(compute->plugin->tensor_create(compute->backend, &weights, &none), 0);
    network->listener.positions = none;

    struct hearken_stand_ins few, many;
    uint32_t rows, more_rows;
    float *little = hear(&h, SOUND + LISTENER_SILENCE, &few, &rows);
    float *much = hear(&h, SOUND + 90, &many, &more_rows);
    CU_ASSERT(few.count > 0 && few.count == many.count && few.bias > many.bias);
    CU_ASSERT(more_rows > rows);
    double difference = 0;
    for (size_t i = 0; i < (size_t)SOUND / 2 * width; i++)
        difference = fmax(difference, fabs((double)little[i] - (double)much[i]));
    CU_ASSERT(difference < 1e-4);

    network->listener.positions = sinusoids;
    compute->plugin->tensor_destroy(compute->backend, none);
    free(little);
    free(much);
    free(zeros);
    close_hearing(&h);
}

/* The memory's steps and those that stand-ins stand for are the window. */
static void test_shares(void)
{
    struct shared_recognition h;
    open_hearing(&h, 5);
    for (uint32_t frames = LISTENER_SILENCE; frames <= WINDOW; frames++) {
        struct hearken_stand_ins stand_ins;
        uint32_t rows;
        free(hear(&h, frames, &stand_ins, &rows));
        double stood_for = stand_ins.count * exp((double)stand_ins.bias);
        uint32_t steps = rows - stand_ins.count;
        CU_ASSERT(stand_ins.count > 0);
        EXPECT_EQUAL(steps, (frames - 1) / 2);
        EXPECT_CLOSE(steps + stood_for, WINDOW / 2, 1e-3);
    }
    close_hearing(&h);
}

/* A full window, or one with too little silence, is encoded without stand-ins. */
static void test_full_windows(void)
{
    struct shared_recognition h;
    open_hearing(&h, 7);
    h.session.network->parameters.features.window = 60;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t frames = i == 0 ? LISTENER_SILENCE - 1 : 61, rows;
        struct hearken_stand_ins stand_ins;
        float *found = hear(&h, frames, &stand_ins, &rows);
        struct hearken_matrix plain =
            listener_encode(h.listener, &h.session.pass, h.features, frames);
        float *expected = calloc((size_t)plain.rows * plain.columns, sizeof(*expected));
        pass_read(&h.session.pass, plain, expected);
        EXPECT_EQUAL(stand_ins.count, 0);
        EXPECT_EQUAL_FATAL(rows, plain.rows);
        EXPECT_EQUAL(memcmp(found, expected, (size_t)rows * plain.columns * sizeof(*expected)), 0);
        free(found);
        free(expected);
    }
    close_hearing(&h);
}

void add_window_tests(void)
{
    CU_pSuite suite = CU_add_suite("window", NULL, NULL);
    CU_add_test(suite, "silence weighs the same", test_silence_weighs_the_same);
    CU_add_test(suite, "shares of the window", test_shares);
    CU_add_test(suite, "full windows", test_full_windows);
}
