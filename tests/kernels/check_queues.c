// SPDX-License-Identifier: MIT
/* Queues: kernels run in order, buffers are freed in order, several queues work at the same time */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, WIDTH = 96, LAYERS = 12 };

/* ---- A chain of layers, each in a buffer that is freed as soon as it is no longer needed ---- */

struct chain {
    const struct weight *weights; /* one for each layer */
    struct hearken_queue *queue;
    const float *in;
    float *out;
    int error;
};

static int run_layer(struct hearken_queue *queue, const struct weight *weight,
                     struct hearken_buffer *in, struct hearken_buffer *out)
{
    return subject()->kernels->linear(queue, &(struct hearken_linear){
                                                 .out = {out, 0, ROWS, WIDTH, WIDTH},
                                                 .in = {in, 0, ROWS, WIDTH, WIDTH},
                                                 .weight = weight->tensor,
                                                 .activation = HEARKEN_ACTIVATION_GELU,
                                             });
}

static void run_chain(struct chain *chain)
{
    const struct hearken_kernels *kernels = subject()->kernels;
    struct hearken_matrix x = {NULL, 0, ROWS, WIDTH, WIDTH};

    chain->error = kernels->buffer_create(chain->queue, ROWS * WIDTH, &x.buffer);
    if (!chain->error)
        chain->error = kernels->write(chain->queue, &x, chain->in);
    for (size_t layer = 0; layer < LAYERS && !chain->error; layer++) {
        struct hearken_buffer *next = NULL;
        chain->error = kernels->buffer_create(chain->queue, ROWS * WIDTH, &next);
        if (!chain->error)
            chain->error = run_layer(chain->queue, &chain->weights[layer], x.buffer, next);
        kernels->buffer_destroy(chain->queue, x.buffer);
        x.buffer = next;
    }
    if (!chain->error)
        chain->error = kernels->read(chain->queue, &x, chain->out);
    kernels->buffer_destroy(chain->queue, x.buffer);
}

static void *chain_thread(void *chain)
{
    for (int round = 0; round < 20; round++) {
        run_chain(chain);
        if (((struct chain *)chain)->error)
            break;
    }
    return NULL;
}

static void create_weights(struct weight *weights)
{
    for (size_t layer = 0; layer < LAYERS; layer++)
        weights[layer] = weight_create(layer % 3, HEARKEN_USE_LINEAR, WIDTH, WIDTH, 1, FILL_NORMAL);
}

static float *random_numbers(void)
{
    float *numbers = allocate(ROWS * WIDTH, sizeof(float));

    for (size_t i = 0; i < ROWS * WIDTH; i++)
        numbers[i] = (float)(10 * random_normal());
    return numbers;
}

/* ---- The checks ---- */

/* A chain whose buffers are freed before anyone waits equals one that waits after each layer. */
static void check_freed_in_order(void)
{
    struct weight weights[LAYERS];
    float *in = random_numbers(), *out = allocate(ROWS * WIDTH, sizeof(float));
    struct chain chain = {weights, subject()->queue, in, out, 0};

    create_weights(weights);
    run_chain(&chain);
    expect(chain.error == 0, "the chain failed: %d", chain.error);
    struct matrix x = matrix_create(ROWS, WIDTH, LAYOUT_PACKED, FILL_ZERO);
    struct matrix y = matrix_create(ROWS, WIDTH, LAYOUT_PACKED, FILL_ZERO);
    memcpy(x.held, in, ROWS * WIDTH * sizeof(float));
    matrix_write(&x);
    for (size_t layer = 0; layer < LAYERS; layer++) {
        expect_done(run_layer(subject()->queue, &weights[layer], x.view.buffer, y.view.buffer));
        matrix_read(&y);
        const struct matrix swap = x;
        x = y;
        y = swap;
    }
    expect(memcmp(x.held, out, ROWS * WIDTH * sizeof(float)) == 0,
           "kernels without waiting do not give the same bits");
    matrix_destroy(&x);
    matrix_destroy(&y);
    for (size_t layer = 0; layer < LAYERS; layer++)
        weight_destroy(&weights[layer]);
    free(in);
    free(out);
}

static void check_threads(void)
{
    enum { THREADS = 4 };
    struct weight weights[LAYERS];
    struct chain chains[THREADS], alone;
    pthread_t threads[THREADS];
    float *expected = allocate(ROWS * WIDTH, sizeof(float));

    create_weights(weights);
    for (size_t i = 0; i < THREADS; i++) {
        chains[i] = (struct chain){weights, NULL, random_numbers(),
                                   allocate(ROWS * WIDTH, sizeof(float)), 0};
        expect_done(subject()->plugin->queue_create(subject()->backend, &chains[i].queue));
    }
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, chain_thread, &chains[i]) != 0)
            abort();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        alone = (struct chain){weights, subject()->queue, chains[i].in, expected, 0};
        run_chain(&alone);
        expect(chains[i].error == 0 && alone.error == 0, "a chain failed");
        expect(memcmp(chains[i].out, expected, ROWS * WIDTH * sizeof(float)) == 0,
               "queue %zu beside others does not give the bits of one alone", i);
        subject()->plugin->queue_destroy(chains[i].queue);
        free((float *)chains[i].in);
        free(chains[i].out);
    }
    for (size_t layer = 0; layer < LAYERS; layer++)
        weight_destroy(&weights[layer]);
    free(expected);
}

/* Queues are created and destroyed, with buffers left in them, while another one is in use. */
static void check_come_and_go(void)
{
    struct matrix kept = matrix_create(10, 10, LAYOUT_STRIDED, FILL_NORMAL);

    for (int i = 0; i < cases(20); i++) {
        struct hearken_queue *queue = NULL;
        struct hearken_buffer *buffer = NULL;
        expect_done(subject()->plugin->queue_create(subject()->backend, &queue));
        for (int left = 0; left < i % 4; left++)
            expect_done(subject()->kernels->buffer_create(queue, 1000, &buffer));
        subject()->plugin->queue_destroy(queue);
    }
    matrix_expect_unchanged(&kept, "a buffer beside queues that come and go");
    matrix_destroy(&kept);
}

/* NULL is accepted where something is destroyed. */
static void check_destroy_nothing(void)
{
    subject()->kernels->buffer_destroy(subject()->queue, NULL);
    subject()->plugin->tensor_destroy(subject()->backend, NULL);
    subject()->plugin->queue_destroy(NULL);
    subject()->plugin->backend_destroy(NULL);
}

static const struct check checks[] = {
    {"buffers are freed in order", check_freed_in_order},
    {"threads", check_threads},
    {"queues come and go", check_come_and_go},
    {"NULL is destroyed", check_destroy_nothing},
};

const struct check_group queues_group = GROUP("queues", checks, NULL);
