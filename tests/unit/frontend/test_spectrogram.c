// SPDX-License-Identifier: MIT
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_spectrogram_tests(void);

#define BANDS 80u

static float *spectrogram_of(const float *samples, size_t count, uint32_t bands)
{
    float *out = malloc(hearken_spectrogram_frames(count) * bands * sizeof(*out));
    EXPECT_EQUAL_FATAL(hearken_spectrogram(samples, count, bands, out, NULL), 0);
    return out;
}

static void test_frequencies(void)
{
    double last = 0;
    for (uint32_t band = 0; band < BANDS; band++) {
        double hertz = hearken_spectrogram_frequency(BANDS, band);
        CU_ASSERT(hertz > last && hertz < HEARKEN_RATE / 2.0);
        last = hertz;
    }
    /* 15 mel are 1 kHz, 27 more 6.4 kHz: bands 14 and 41 of those that are one mel apart. */
    double top = 15 + 27 * log(8) / log(6.4);
    EXPECT_CLOSE(hearken_spectrogram_frequency(8, 7), 1000 * pow(6.4, (top * 8 / 9 - 15) / 27),
                 1e-6);
    EXPECT_CLOSE(hearken_spectrogram_frequency(8, 0), top / 9 * 200 / 3, 1e-6);
}

/* A tone is strongest in the band that is nearest to it, in every frame but those at the ends. */
static void test_tones(void)
{
    static const double tones[] = {300, 1000, 2750, 6000};
    float *samples = malloc(HEARKEN_RATE * sizeof(*samples));
    for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++) {
        uint32_t nearest = 0;
        for (size_t k = 0; k < HEARKEN_RATE; k++)
            samples[k] = (float)(0.5 * sin(2 * acos(-1) * tones[i] * (double)k / HEARKEN_RATE));
        for (uint32_t band = 1; band < BANDS; band++)
            if (fabs(hearken_spectrogram_frequency(BANDS, band) - tones[i]) <
                fabs(hearken_spectrogram_frequency(BANDS, nearest) - tones[i]))
                nearest = band;
        float *levels = spectrogram_of(samples, HEARKEN_RATE, BANDS);
        for (size_t frame = 3; frame < 97; frame++) {
            uint32_t strongest = 0;
            for (uint32_t band = 1; band < BANDS; band++)
                if (levels[frame * BANDS + band] > levels[frame * BANDS + strongest])
                    strongest = band;
            CU_ASSERT(abs((int)strongest - (int)nearest) <= 1);
        }
        free(levels);
    }
    free(samples);
}

/* Every band hears some of an impulse: none lies between two bins. */
static void test_no_band_is_deaf(void)
{
    float samples[1600] = {0};
    samples[800] = 1;
    for (uint32_t bands = 1; bands <= BANDS; bands++) {
        float *levels = spectrogram_of(samples, 1600, bands);
        for (uint32_t band = 0; band < bands; band++) {
            CU_ASSERT(levels[5 * bands + band] > -6);
            EXPECT_EQUAL(levels[band], -10);
        }
        free(levels);
    }
}

static void test_lengths(void)
{
    const float samples[401] = {0};
    EXPECT_EQUAL(hearken_spectrogram_frames(0), 2);
    EXPECT_EQUAL(hearken_spectrogram_frames(16000), 100);
    for (size_t count = 0; count <= 401; count += 200) {
        float *levels = spectrogram_of(samples, count, BANDS);
        EXPECT_EQUAL(levels[2 * BANDS - 1], -10);
        free(levels);
    }
}

static void test_bands_out_of_range(void)
{
    static const uint32_t wrong[] = {0, HEARKEN_SPECTROGRAM_BANDS_MAX + 1, UINT32_MAX};
    float sample = 0, out = 7;
    for (size_t i = 0; i < 3; i++) {
        struct hearken_error error = {""};
        EXPECT_EQUAL(hearken_spectrogram(&sample, 1, wrong[i], &out, &error), -EINVAL);
        EXPECT_CONTAINS(error.message, "1..128");
    }
    EXPECT_EQUAL(out, 7);
}

void add_spectrogram_tests(void)
{
    CU_pSuite suite = CU_add_suite("spectrogram", NULL, NULL);
    CU_add_test(suite, "frequencies of bands", test_frequencies);
    CU_add_test(suite, "tones", test_tones);
    CU_add_test(suite, "no band is deaf", test_no_band_is_deaf);
    CU_add_test(suite, "lengths", test_lengths);
    CU_add_test(suite, "bands out of range", test_bands_out_of_range);
}
