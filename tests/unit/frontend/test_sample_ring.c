// SPDX-License-Identifier: MIT
#include "frontend/capture/sample_ring.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void add_sample_ring_tests(void);

static void test_empty_and_full(void)
{
    struct sample_ring *ring;
    float in[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, out[9] = {0};
    CU_ASSERT_EQUAL_FATAL(sample_ring_create(5, &ring), 0);
    CU_ASSERT_EQUAL(sample_ring_room(ring), 8);
    CU_ASSERT_EQUAL(sample_ring_filled(ring), 0);
    CU_ASSERT_EQUAL(sample_ring_read(ring, out, 9), 0);
    CU_ASSERT_EQUAL(sample_ring_write(ring, in, 9), 8);
    CU_ASSERT_EQUAL(sample_ring_write(ring, in, 1), 0);
    CU_ASSERT_EQUAL(sample_ring_room(ring), 0);
    CU_ASSERT_EQUAL(sample_ring_filled(ring), 8);
    CU_ASSERT_EQUAL(sample_ring_read(ring, out, 9), 8);
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(out[i], in[i]);
    sample_ring_destroy(ring);
}

static void test_sizes_out_of_range(void)
{
    struct sample_ring *ring;
    CU_ASSERT_EQUAL(sample_ring_create(0, &ring), -EINVAL);
    CU_ASSERT_EQUAL(sample_ring_create(RING_SAMPLES_MAX + 1, &ring), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(sample_ring_create(1, &ring), 0);
    CU_ASSERT_EQUAL(sample_ring_room(ring), 1);
    sample_ring_destroy(ring);
    sample_ring_destroy(NULL);
}

/* Samples count up, so that each that is lost, doubled or out of place shows. */
static void test_order_in_any_pieces(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    struct sample_ring *ring;
    float piece[100];
    size_t in = 0, out = 0, wrong = 0;
    CU_ASSERT_EQUAL_FATAL(sample_ring_create(64, &ring), 0);
    while (out < 100000) {
        size_t count = (size_t)rand_r(&seed) % 100, room = sample_ring_room(ring);
        for (size_t i = 0; i < count; i++)
            piece[i] = (float)(in + i);
        size_t written = sample_ring_write(ring, piece, count);
        wrong += written != (count < room ? count : room);
        in += written;
        wrong += sample_ring_filled(ring) != in - out;
        size_t got = sample_ring_read(ring, piece, (size_t)rand_r(&seed) % 100);
        for (size_t i = 0; i < got; i++)
            wrong += piece[i] != (float)(out + i);
        out += got;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    sample_ring_destroy(ring);
}

#define SENT 2000000u

struct sender {
    struct sample_ring *ring;
    unsigned seed;
};

/* Numbers below 2^24, which a float holds exactly. */
static void *send_numbers(void *context)
{
    struct sender *sender = context;
    float piece[300];
    for (size_t sent = 0; sent < SENT;) {
        size_t count = 1 + (size_t)rand_r(&sender->seed) % 300;
        if (count > SENT - sent)
            count = SENT - sent;
        for (size_t i = 0; i < count; i++)
            piece[i] = (float)(sent + i);
        size_t written = sample_ring_write(sender->ring, piece, count);
        if (written == 0)
            sched_yield();
        sent += written;
    }
    return NULL;
}

static void test_two_threads(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    struct sender sender = {.seed = seed};
    pthread_t thread;
    float piece[300];
    size_t wrong = 0;
    CU_ASSERT_EQUAL_FATAL(sample_ring_create(1024, &sender.ring), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, send_numbers, &sender), 0);
    seed += 1;
    for (size_t got = 0; got < SENT;) {
        size_t count = sample_ring_read(sender.ring, piece, 1 + (size_t)rand_r(&seed) % 300);
        for (size_t i = 0; i < count; i++)
            wrong += piece[i] != (float)(got + i);
        if (count == 0)
            sched_yield();
        got += count;
    }
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(sample_ring_filled(sender.ring), 0);
    sample_ring_destroy(sender.ring);
}

void add_sample_ring_tests(void)
{
    CU_pSuite suite = CU_add_suite("ring", NULL, NULL);
    CU_add_test(suite, "empty and full", test_empty_and_full);
    CU_add_test(suite, "sizes out of range", test_sizes_out_of_range);
    CU_add_test(suite, "order in any pieces", test_order_in_any_pieces);
    CU_add_test(suite, "two threads", test_two_threads);
}
