// SPDX-License-Identifier: MIT
#include "models/vad/level_segmenter.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_level_segmenter_tests(void);

#define SECONDS 10
#define COUNT   (SECONDS * HEARKEN_RATE)

/* Noise of that root mean square about `offset`. */
static void fill_noise(float *samples, size_t count, double level, float offset)
{
    double scale = level * sqrt(12.0);
    for (size_t i = 0; i < count; i++)
        samples[i] = (float)(scale * ((double)rand() / RAND_MAX - 0.5)) + offset;
}

static float *noise(double level, float offset)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    srand(seed);
    float *samples = malloc(COUNT * sizeof(*samples));
    fill_noise(samples, COUNT, level, offset);
    return samples;
}

static bool about(size_t at, double seconds)
{
    return fabs((double)at / HEARKEN_RATE - seconds) <= 0.0201;
}

/* A pause of 250 ms, not on the grid of hops, is found; also before a mean that is far louder. */
static void test_finds_the_pause(void)
{
    static const float offsets[] = {0, 0.5f};
    for (size_t i = 0; i < 2; i++) {
        float *samples = noise(0.1, offsets[i]);
        fill_noise(samples + 100077, HEARKEN_RATE / 4, 0.001, offsets[i]);
        double centre = (100077 + HEARKEN_RATE / 8.0) / HEARKEN_RATE;
        CU_ASSERT(about(level_segmenter_quietest(samples, 0, COUNT), centre));
        CU_ASSERT(about(level_segmenter_quietest(samples, 90001, COUNT - 5), centre));
        free(samples);
    }
}

/* A gap inside a word is quieter than the pause, but shorter than what is looked for. */
static void test_short_gaps_do_not_count(void)
{
    float *samples = noise(0.1, 0);
    memset(samples + 32000, 0, HEARKEN_RATE / 10 * sizeof(*samples));
    fill_noise(samples + 96000, HEARKEN_RATE * 3 / 10, 0.01, 0);
    CU_ASSERT(fabs((double)level_segmenter_quietest(samples, 0, COUNT) / HEARKEN_RATE - 6.15) <
              0.04);
    free(samples);
}

static void test_stays_in_the_window(void)
{
    float *samples = noise(0.1, 0);
    memset(samples, 0, 16000 * sizeof(*samples));
    memset(samples + COUNT - 16000, 0, 16000 * sizeof(*samples));
    for (size_t from = 20000; from < 120000; from += 7777) {
        size_t at = level_segmenter_quietest(samples, from, from + 20000);
        CU_ASSERT(at >= from + 2000 && at + 2000 <= from + 20000);
    }
    free(samples);
}

static void test_ties_go_to_the_last(void)
{
    float *samples = calloc(COUNT, sizeof(*samples));
    /* The last 250 ms that begin on a hop: their centre is 125 ms before the end. */
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 0, COUNT), COUNT - 2000);
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 100, 16100), 14100);
    for (size_t i = 0; i < COUNT; i++)
        samples[i] = 0.25f;
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 0, COUNT), COUNT - 2000);
    free(samples);
}

static void test_short_windows(void)
{
    const float samples[4000] = {0};
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 0, 4000), 2000);
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 0, 3999), 1999);
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 10, 20), 15);
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 10, 10), 10);
    CU_ASSERT_EQUAL(level_segmenter_quietest(samples, 10, 5), 10);
}

static double decibels(double level)
{
    return pow(10, level / 20);
}

static void test_silence(void)
{
    float *samples = noise(decibels(-73), 0);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, COUNT));
    fill_noise(samples, COUNT, decibels(-73), 0.3f);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, COUNT));
    fill_noise(samples, COUNT, 0, 0);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, COUNT));
    for (size_t i = 0; i < COUNT; i++) /* what a recorder without dither leaves */
        samples[i] = rand() % 2 ? 1.0f / 32768 : 0;
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, COUNT));
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, 0));
    free(samples);
}

/* 20 ms of sound anywhere, at the very end as well, are enough. */
static void test_sound(void)
{
    static const size_t places[] = {0, 320, 48000, 48111, COUNT - 320};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        float *samples = noise(decibels(-80), 0.01f);
        CU_ASSERT_TRUE(level_segmenter_is_silent(samples, COUNT));
        fill_noise(samples + places[i], 320, decibels(-60), 0.01f);
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples, COUNT));
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples + places[i], 100));
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples, places[i] + 310)); /* not whole frames */
        free(samples);
    }
    float *samples = noise(decibels(-67), 0);
    CU_ASSERT_FALSE(level_segmenter_is_silent(samples, COUNT));
    free(samples);
}

void add_level_segmenter_tests(void)
{
    CU_pSuite suite = CU_add_suite("segment", NULL, NULL);
    CU_add_test(suite, "finds the pause", test_finds_the_pause);
    CU_add_test(suite, "short gaps do not count", test_short_gaps_do_not_count);
    CU_add_test(suite, "stays in the window", test_stays_in_the_window);
    CU_add_test(suite, "ties go to the last", test_ties_go_to_the_last);
    CU_add_test(suite, "short windows", test_short_windows);
    CU_add_test(suite, "silence is silent", test_silence);
    CU_add_test(suite, "sound is not", test_sound);
}
