// SPDX-License-Identifier: MIT
#include "frontend/sound/resample.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_resample_tests(void);

static const uint32_t rates[] = {1000,  1001,  7999,   8000,   11025,  12000,  15999,
                                 16000, 16001, 22050,  24000,  32000,  44100,  48000,
                                 88200, 96000, 192000, 352800, 384000, 767999, 768000};
#define RATE_COUNT (sizeof(rates) / sizeof(rates[0]))

struct array {
    float *data;
    size_t length, room;
};

static float *random_samples(size_t count)
{
    float *samples = malloc((count + 1) * sizeof(*samples));
    for (size_t i = 0; i < count; i++)
        samples[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return samples;
}

/* Exactly as much room as is asked for, so that a sanitizer sees what goes beyond. */
static bool append(struct resampler *resampler, struct array *array, const float *in, size_t count)
{
    size_t room = resampler_room(resampler, count);
    float *out = malloc(room * sizeof(*out) + 1);
    long given =
        in ? resampler_process(resampler, in, count, out) : resampler_flush(resampler, out);
    bool fits = given >= 0 && (size_t)given <= room;
    if (fits && array->length + (size_t)given >= array->room) {
        array->room = 2 * (array->length + (size_t)given) + 1;
        array->data = realloc(array->data, array->room * sizeof(*array->data));
    }
    if (fits) {
        memcpy(array->data + array->length, out, (size_t)given * sizeof(*out));
        array->length += (size_t)given;
    }
    free(out);
    return fits;
}

/* In pieces of `piece` samples, or of random lengths up to -piece. */
static struct array convert(struct resampler *resampler, const float *in, size_t count, long piece)
{
    struct array array = {NULL, 0, 0};
    while (count > 0) {
        size_t length = piece > 0 ? (size_t)piece : (size_t)(rand() % -piece);
        if (length > count)
            length = count;
        CU_ASSERT_FATAL(append(resampler, &array, in, length));
        in += length;
        count -= length;
    }
    CU_ASSERT_FATAL(append(resampler, &array, NULL, 0));
    return array;
}

static void test_length_and_pieces(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    srand(seed);
    static const long pieces[] = {7, 160, -1000, -100000};
    for (size_t r = 0; r < RATE_COUNT; r++) {
        size_t count = rates[r] + (size_t)rand() % rates[r];
        float *in = random_samples(count);
        struct resampler *resampler;
        EXPECT_EQUAL_FATAL(resampler_create(rates[r], &resampler), 0);
        struct array whole = convert(resampler, in, count, (long)count);
        double expected = (double)count * HEARKEN_RATE / rates[r];
        CU_ASSERT(fabs((double)whole.length - expected) <= 0.5);
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            struct array cut = convert(resampler, in, count, pieces[p]);
            EXPECT_EQUAL_FATAL(cut.length, whole.length);
            EXPECT_EQUAL(memcmp(cut.data, whole.data, whole.length * sizeof(float)), 0);
            free(cut.data);
        }
        resampler_destroy(resampler);
        free(whole.data);
        free(in);
    }
}

static void test_short_recordings(void)
{
    for (size_t r = 0; r < RATE_COUNT; r++) {
        struct resampler *resampler;
        EXPECT_EQUAL_FATAL(resampler_create(rates[r], &resampler), 0);
        for (size_t count = 0; count < 50; count++) {
            float in[50] = {0};
            struct array out = convert(resampler, in, count, 50);
            CU_ASSERT(fabs((double)out.length - (double)count * HEARKEN_RATE / rates[r]) <= 0.5);
            free(out.data);
        }
        resampler_destroy(resampler);
    }
}

static void test_pass_through(void)
{
    float *in = random_samples(5000);
    struct resampler *resampler;
    EXPECT_EQUAL_FATAL(resampler_create(HEARKEN_RATE, &resampler), 0);
    struct array out = convert(resampler, in, 5000, 333);
    EXPECT_EQUAL(out.length, 5000);
    EXPECT_EQUAL(memcmp(out.data, in, 5000 * sizeof(*in)), 0);
    resampler_destroy(resampler);
    free(out.data);
    free(in);
}

/* Two seconds of a sine, converted; its largest difference from `level` times the sine at
 * HEARKEN_RATE, away from the ends. */
static double sine_error(uint32_t rate, double frequency, double level)
{
    const double turn = 2 * acos(-1.0);
    size_t count = 2 * (size_t)rate;
    float *in = malloc(count * sizeof(*in));
    for (size_t i = 0; i < count; i++)
        in[i] = (float)(0.5 * sin(turn * frequency * (double)i / rate));
    struct resampler *resampler;
    EXPECT_EQUAL_FATAL(resampler_create(rate, &resampler), 0);
    struct array out = convert(resampler, in, count, 1000);
    EXPECT_EQUAL_FATAL(out.length, 2 * HEARKEN_RATE);
    double worst = 0;
    for (size_t i = HEARKEN_RATE / 4; i < out.length - HEARKEN_RATE / 4; i++) {
        double expected = level * 0.5 * sin(turn * frequency * (double)i / HEARKEN_RATE);
        worst = fmax(worst, fabs(out.data[i] - expected));
    }
    resampler_destroy(resampler);
    free(out.data);
    free(in);
    return worst;
}

/* In time and in level: a delay of one sample in 48000 would be 0.065 at 1 kHz. */
static void test_tones_keep_time_and_level(void)
{
    for (size_t r = 0; r < RATE_COUNT; r++) {
        double frequency = rates[r] < 4000 ? 200 : 1000;
        CU_ASSERT(sine_error(rates[r], frequency, 1) < 1e-4);
    }
    CU_ASSERT(sine_error(48000, 7000, 1) < 1e-3);
}

/* Nothing above 8 kHz may fold back into speech: 1e-5 of 0.5 is -94 dB. */
static void test_tones_above_are_removed(void)
{
    CU_ASSERT(sine_error(44100, 9000, 0) < 1e-5);
    CU_ASSERT(sine_error(48000, 15000, 0) < 1e-5);
    CU_ASSERT(sine_error(192000, 50000, 0) < 1e-5);
}

static void test_rates_out_of_range(void)
{
    static const uint32_t wrong[] = {0, 1, 999, 768001, UINT32_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct resampler *resampler;
        EXPECT_EQUAL(resampler_create(wrong[i], &resampler), -EINVAL);
    }
    resampler_destroy(NULL);
}

void add_resample_tests(void)
{
    CU_pSuite suite = CU_add_suite("resample", NULL, NULL);
    CU_add_test(suite, "length, and any pieces to the bit", test_length_and_pieces);
    CU_add_test(suite, "short recordings", test_short_recordings);
    CU_add_test(suite, "16 kHz passes through", test_pass_through);
    CU_add_test(suite, "tones keep time and level", test_tones_keep_time_and_level);
    CU_add_test(suite, "tones above 8 kHz are removed", test_tones_above_are_removed);
    CU_add_test(suite, "rates out of range", test_rates_out_of_range);
}
