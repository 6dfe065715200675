// SPDX-License-Identifier: MIT
/* Log-mel features against a discrete Fourier transform written out in double precision. */
#include "frontend/features/logmel.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_logmel_tests(void);

#define BANDS 80u

static float window[LOGMEL_FFT];
static float filters[BANDS * LOGMEL_BINS];
static double cosines[LOGMEL_FFT], sines[LOGMEL_FFT];
static struct logmel *logmel;

/* Triangles that widen with the frequency; among them one of a single bin, one that is all zero,
 * one with a hole and one over all bins. */
static void make_filters(void)
{
    memset(filters, 0, sizeof(filters));
    for (uint32_t b = 0; b < BANDS; b++) {
        double centre = 2 + 190.0 * pow(b / (BANDS - 1.0), 1.7), width = 1.3 + centre / 15;
        for (uint32_t k = 0; k < LOGMEL_BINS; k++) {
            double weight = 1 - fabs(k - centre) / width;
            filters[b * LOGMEL_BINS + k] = weight > 0 ? (float)(weight / width) : 0;
        }
    }
    memset(filters + 10 * LOGMEL_BINS, 0, LOGMEL_BINS * sizeof(*filters));
    memset(filters + 20 * LOGMEL_BINS, 0, LOGMEL_BINS * sizeof(*filters));
    filters[20 * LOGMEL_BINS + 200] = 0.5f;
    filters[60 * LOGMEL_BINS + 110] = 0;
    for (uint32_t k = 0; k < LOGMEL_BINS; k++)
        filters[70 * LOGMEL_BINS + k] = 0.01f;
}

static int set_up(void)
{
    for (uint32_t i = 0; i < LOGMEL_FFT; i++) {
        double angle = 2 * acos(-1.0) * i / LOGMEL_FFT;
        cosines[i] = cos(angle);
        sines[i] = sin(angle);
        window[i] = (float)(0.54 - 0.46 * cosines[i]); /* no zero at its edge, as Hann's */
    }
    make_filters();
    return logmel_create(BANDS, window, filters, &logmel);
}

static int tear_down(void)
{
    logmel_destroy(logmel);
    return 0;
}

/* ---- Signals ---- */

enum kind {
    KIND_NOISE,
    KIND_FAINT, /* of a power about the least that counts */
    KIND_SILENCE,
    KIND_FULL_SCALE,
    KIND_TONE,
    KIND_COUNT,
};

static float *make_signal(enum kind kind, size_t count)
{
    float *samples = malloc((count + 1) * sizeof(*samples));
    for (size_t i = 0; i < count; i++) {
        float values[KIND_COUNT] = {
            [KIND_NOISE] = (float)rand() / (float)RAND_MAX * 0.2f - 0.1f,
            [KIND_FAINT] = ((float)rand() / (float)RAND_MAX - 0.5f) * 4e-6f,
            [KIND_SILENCE] = 0,
            [KIND_FULL_SCALE] = (i / 37) % 2 ? 1 : -1,
            [KIND_TONE] = 0.3f * sinf(0.37f * (float)i),
        };
        samples[i] = values[kind];
    }
    return samples;
}

static float *make_rows(size_t frames)
{
    return malloc((frames * BANDS + 1) * sizeof(float));
}

static bool same(const float *a, const float *b, size_t frames)
{
    return memcmp(a, b, frames * BANDS * sizeof(*a)) == 0;
}

static void seed(void)
{
    unsigned value = (unsigned)time(NULL);
    printf("(seed %u) ", value);
    srand(value);
}

/* ---- The definition, word for word ---- */

static double extended(const float *samples, long count, long at)
{
    long total = count < (long)LOGMEL_FFT ? (long)LOGMEL_FFT : count;
    if (at < 0)
        at = -at;
    if (at >= total)
        at = 2 * (total - 1) - at;
    return at < count ? samples[at] : 0;
}

static void direct_frame(const float *samples, long count, long frame, double *power)
{
    for (uint32_t k = 0; k < LOGMEL_BINS; k++) {
        double real = 0, imaginary = 0;
        for (uint32_t i = 0; i < LOGMEL_FFT; i++) {
            double x = extended(samples, count, frame * 160 - 200 + (long)i) * window[i];
            real += x * cosines[i * k % LOGMEL_FFT];
            imaginary -= x * sines[i * k % LOGMEL_FFT];
        }
        power[k] = real * real + imaginary * imaginary;
    }
}

/* Amplitudes rather than their logarithms are compared, for the bins that hold next to nothing
 * beside loud ones. The logarithm's rounding to float is 1e-6 of a power of ten. */
static bool close_to(float found, double power, double loudest)
{
    double expected = sqrt(fmax(power, 1e-10));
    return fabs(pow(10, (double)found / 2) - expected) <= 1e-13 * loudest + 2e-6 * expected;
}

static void check_signal(const float *samples, size_t count)
{
    size_t frames = logmel_frames(count);
    EXPECT_EQUAL_FATAL(frames, (count < 400 ? 400 : count) / 160);
    float *rows = make_rows(frames);
    logmel_compute(logmel, samples, count, 0, rows);
    size_t wrong = 0;
    for (size_t t = 0; t < frames; t++) {
        double power[LOGMEL_BINS], loudest = 0;
        direct_frame(samples, (long)count, (long)t, power);
        for (uint32_t k = 0; k < LOGMEL_BINS; k++)
            loudest = fmax(loudest, sqrt(power[k]));
        for (uint32_t b = 0; b < BANDS; b++) {
            double sum = 0;
            for (uint32_t k = 0; k < LOGMEL_BINS; k++)
                sum += filters[b * LOGMEL_BINS + k] * power[k];
            wrong += !close_to(rows[t * BANDS + b], sum, loudest);
        }
    }
    EXPECT_EQUAL(wrong, 0);
    free(rows);
}

static void test_against_direct_transform(void)
{
    static const size_t counts[] = {0,   1,   2,   159, 160, 161, 200, 201, 319, 320,
                                    399, 400, 401, 439, 440, 479, 480, 559, 560, 4000};
    seed();
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            float *samples = make_signal((enum kind)kind, counts[i]);
            check_signal(samples, counts[i]);
            free(samples);
        }
}

/* What the network sees. */
static void test_features_of_noise(void)
{
    seed();
    float *samples = make_signal(KIND_NOISE, 8000), *rows = make_rows(50);
    logmel_compute(logmel, samples, 8000, 0, rows);
    double worst = 0;
    for (long t = 0; t < 50; t++) {
        double power[LOGMEL_BINS];
        direct_frame(samples, 8000, t, power);
        for (uint32_t b = 0; b < BANDS; b++) {
            double sum = 0;
            for (uint32_t k = 0; k < LOGMEL_BINS; k++)
                sum += filters[b * LOGMEL_BINS + k] * power[k];
            double expected = (fmax(log10(fmax(sum, 1e-10)), -7) + 4) / 4;
            float found = rows[t * BANDS + b];
            logmel_scale_fixed(&found, 1, -7, 4, 4);
            worst = fmax(worst, fabs(found - expected));
        }
    }
    CU_ASSERT(worst < 1e-6);
    free(rows);
    free(samples);
}

static void test_silence_is_exact(void)
{
    float *samples = make_signal(KIND_SILENCE, 1600), *rows = make_rows(10);
    logmel_compute(logmel, samples, 1600, 0, rows);
    for (size_t i = 0; i < 10 * BANDS; i++)
        EXPECT_EQUAL(rows[i], LOGMEL_SILENCE);
    free(rows);
    free(samples);
}

/* The loudest samples that the front end lets pass. */
static void test_huge_samples_stay_finite(void)
{
    float *samples = make_signal(KIND_FULL_SCALE, 1600), *rows = make_rows(10);
    for (size_t i = 0; i < 1600; i++)
        samples[i] *= 0x1p31f;
    logmel_compute(logmel, samples, 1600, 0, rows);
    for (size_t i = 0; i < 10 * BANDS; i++)
        CU_ASSERT(isfinite(rows[i]));
    free(rows);
    free(samples);
}

/* ---- Streams ---- */

/* Feeds pieces of random lengths below `most`. Frames that are called finished on the way are
 * compared with those of the whole signal at once. */
static void feed(struct logmel_stream *stream, const float *samples, size_t count, size_t most,
                 const float *whole)
{
    size_t at = 0, seen = 0;
    while (at < count) {
        size_t piece = (size_t)rand() % most + (most == 1);
        if (piece > count - at)
            piece = count - at;
        EXPECT_EQUAL_FATAL(logmel_stream_feed(stream, samples + at, piece), 0);
        at += piece;
        EXPECT_EQUAL(logmel_stream_samples(stream), at);
        size_t frames = logmel_stream_frames(stream);
        CU_ASSERT_FATAL(frames >= seen);
        float *rows = make_rows(frames - seen);
        logmel_stream_read(stream, seen, frames, rows);
        CU_ASSERT(same(rows, whole + seen * BANDS, frames - seen));
        free(rows);
        seen = frames;
    }
    /* None is kept back that could have been given: frame t ends 200 samples behind its centre. */
    EXPECT_EQUAL(seen, count > 200 ? (count - 200) / 160 + 1 : 0);
}

static void check_stream(const float *samples, size_t count, size_t padding, size_t most)
{
    size_t frames = logmel_frames(count + padding);
    float *built = calloc(count + padding + 1, sizeof(*built));
    memcpy(built, samples, count * sizeof(*built));
    float *whole = make_rows(frames), *rows = make_rows(frames);
    logmel_compute(logmel, built, count + padding, 0, whole);
    logmel_compute(logmel, samples, count, padding, rows);
    CU_ASSERT(same(rows, whole, frames));

    struct logmel_stream *stream;
    EXPECT_EQUAL_FATAL(logmel_stream_create(logmel, &stream), 0);
    feed(stream, samples, count, most, whole);
    logmel_stream_peek(stream, padding, 0, frames, rows);
    CU_ASSERT(same(rows, whole, frames));
    EXPECT_EQUAL(logmel_stream_finish(stream, padding), 0);
    EXPECT_EQUAL_FATAL(logmel_stream_frames(stream), frames);
    size_t from = (size_t)rand() % (frames + 1), to = from + (size_t)rand() % (frames - from + 1);
    logmel_stream_read(stream, from, to, rows);
    CU_ASSERT(same(rows, whole + from * BANDS, to - from));
    logmel_stream_read(stream, 0, frames, rows);
    CU_ASSERT(same(rows, whole, frames));
    EXPECT_EQUAL(logmel_stream_feed(stream, samples, 0), -EINVAL);
    EXPECT_EQUAL(logmel_stream_finish(stream, 0), -EINVAL);
    logmel_stream_destroy(stream);
    free(rows);
    free(whole);
    free(built);
}

static void test_streams_of_every_length(void)
{
    static const size_t paddings[] = {0, 0, 1, 41, 159, 160, 399, 1000};
    seed();
    float *samples = make_signal(KIND_NOISE, 1300);
    for (size_t count = 0; count < 1300; count++)
        check_stream(samples, count, paddings[(size_t)rand() % 8], 1 + (size_t)rand() % 500);
    free(samples);
}

static void test_long_streams(void)
{
    static const size_t pieces[] = {160, 1000, 5000, 60000};
    seed();
    for (size_t i = 0; i < 4; i++) {
        size_t count = 100000 + (size_t)rand() % 1000;
        float *samples = make_signal(KIND_NOISE, count);
        check_stream(samples, count, i * 30000, pieces[i]);
        free(samples);
    }
}

/* Looking at a signal that goes on does not change it, and shows what an end there would be. */
static void test_peek(void)
{
    seed();
    float *samples = make_signal(KIND_NOISE, 20000);
    struct logmel_stream *stream;
    EXPECT_EQUAL_FATAL(logmel_stream_create(logmel, &stream), 0);
    for (size_t count = 0; count < 20000;) {
        size_t piece = (size_t)rand() % 900, padding = (size_t)rand() % 3 * 700;
        piece = piece < 20000 - count ? piece : 20000 - count;
        EXPECT_EQUAL(logmel_stream_feed(stream, samples + count, piece), 0);
        count += piece;
        size_t frames = logmel_frames(count + padding), from = (size_t)rand() % frames;
        float *whole = make_rows(frames), *rows = make_rows(frames - from);
        logmel_compute(logmel, samples, count, padding, whole);
        logmel_stream_peek(stream, padding, from, frames, rows);
        CU_ASSERT(same(rows, whole + from * BANDS, frames - from));
        free(rows);
        free(whole);
    }
    logmel_stream_destroy(stream);
    free(samples);
}

/* What has been read may be forgotten; what comes is the same. */
static void test_forget(void)
{
    seed();
    float *samples = make_signal(KIND_NOISE, 20000);
    float *whole = make_rows(logmel_frames(20000)), *row = make_rows(1);
    struct logmel_stream *stream;
    logmel_compute(logmel, samples, 20000, 0, whole);
    EXPECT_EQUAL_FATAL(logmel_stream_create(logmel, &stream), 0);
    size_t count = 0, seen = 0;
    while (count < 20000) {
        size_t piece = (size_t)rand() % 900;
        piece = piece < 20000 - count ? piece : 20000 - count;
        logmel_stream_forget(stream, rand() % 3 ? seen : SIZE_MAX * (seen == 0));
        EXPECT_EQUAL(logmel_stream_feed(stream, samples + count, piece), 0);
        count += piece;
        if (count == 20000)
            EXPECT_EQUAL(logmel_stream_finish(stream, 0), 0);
        for (; seen < logmel_stream_frames(stream); seen++) {
            logmel_stream_read(stream, seen, seen + 1, row);
            CU_ASSERT(same(row, whole + seen * BANDS, 1));
        }
    }
    EXPECT_EQUAL(seen, logmel_frames(20000));
    logmel_stream_restart(stream);
    feed(stream, samples, 4000, 300, whole);
    logmel_stream_destroy(stream);
    free(row);
    free(whole);
    free(samples);
}

static void test_restart(void)
{
    seed();
    float *samples = make_signal(KIND_NOISE, 4000), *whole = make_rows(25), *rows = make_rows(25);
    logmel_compute(logmel, samples + 100, 3900, 0, whole);
    struct logmel_stream *stream;
    EXPECT_EQUAL_FATAL(logmel_stream_create(logmel, &stream), 0);
    logmel_stream_feed(stream, samples, 777);
    logmel_stream_finish(stream, 5000);
    logmel_stream_restart(stream);
    EXPECT_EQUAL(logmel_stream_frames(stream), 0);
    EXPECT_EQUAL(logmel_stream_samples(stream), 0);
    feed(stream, samples + 100, 3900, 300, whole);
    EXPECT_EQUAL(logmel_stream_finish(stream, 0), 0);
    logmel_stream_read(stream, 0, 24, rows);
    CU_ASSERT(same(rows, whole, 24));
    logmel_stream_destroy(stream);
    free(rows);
    free(whole);
    free(samples);
}

/* ---- Threads ---- */

struct job {
    pthread_t thread;
    const float *samples, *expected;
    bool good;
};

/* Uses the plan that all share, and makes and destroys others meanwhile. */
static void *run_job(void *context)
{
    struct job *job = context;
    float *rows = make_rows(100);
    job->good = true;
    for (int round = 0; round < 20; round++) {
        struct logmel *own = NULL;
        job->good = job->good && logmel_create(BANDS, window, filters, &own) == 0;
        memset(rows, 0, 100 * BANDS * sizeof(*rows));
        logmel_compute(round % 2 && own ? own : logmel, job->samples, 16000, 0, rows);
        job->good = job->good && same(rows, job->expected, 100);
        logmel_destroy(own);
    }
    free(rows);
    return NULL;
}

static void test_threads_share_a_plan(void)
{
    seed();
    float *samples = make_signal(KIND_NOISE, 16000), *expected = make_rows(100);
    logmel_compute(logmel, samples, 16000, 0, expected);
    struct job jobs[4];
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (struct job){.samples = samples, .expected = expected};
        EXPECT_EQUAL_FATAL(pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(jobs[i].thread, NULL);
        CU_ASSERT(jobs[i].good);
    }
    free(expected);
    free(samples);
}

/* ---- The rest ---- */

static void test_refuses_what_is_wrong(void)
{
    struct logmel *none = NULL;
    EXPECT_EQUAL(logmel_create(0, window, filters, &none), -EINVAL);
    EXPECT_EQUAL(logmel_create(1025, window, filters, &none), -EINVAL);
    EXPECT_EQUAL(logmel_create(UINT32_MAX, window, filters, &none), -EINVAL);
    float *wrong = malloc(sizeof(filters));
    memcpy(wrong, filters, sizeof(filters));
    wrong[BANDS * LOGMEL_BINS - 1] = NAN;
    EXPECT_EQUAL(logmel_create(BANDS, window, wrong, &none), -EINVAL);
    EXPECT_EQUAL(logmel_create(BANDS - 1, window, wrong, &none), 0);
    EXPECT_EQUAL(logmel_bands(none), BANDS - 1);
    logmel_destroy(none);
    memcpy(wrong, window, sizeof(window));
    wrong[0] = INFINITY;
    EXPECT_EQUAL(logmel_create(BANDS, wrong, filters, &none), -EINVAL);
    free(wrong);
    logmel_destroy(NULL);
    logmel_stream_destroy(NULL);
}

static void test_scaling(void)
{
    float fixed[] = {-10, -7, -6.5f, 0, 2};
    const float expected[] = {-0.75f, -0.75f, -0.625f, 1, 1.5f};
    logmel_scale_fixed(fixed, 5, -7, 4, 4);
    EXPECT_EQUAL(memcmp(fixed, expected, sizeof(expected)), 0);

    float below[] = {-10, 1.5f, -6.5f, 0, -7};
    const float expected_below[] = {-0.625f, 1.375f, -0.625f, 1, -0.625f};
    logmel_scale_below_maximum(below, 5, 8, 4, 4);
    EXPECT_EQUAL(memcmp(below, expected_below, sizeof(expected_below)), 0);
    logmel_scale_below_maximum(below, 0, 8, 4, 4);
    EXPECT_EQUAL(memcmp(below, expected_below, sizeof(expected_below)), 0);
}

/* ---- Spectrograms ---- */

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

void add_logmel_tests(void)
{
    CU_pSuite suite = CU_add_suite("logmel", set_up, tear_down);
    CU_add_test(suite, "against a direct transform", test_against_direct_transform);
    CU_add_test(suite, "features of noise", test_features_of_noise);
    CU_add_test(suite, "silence is exact", test_silence_is_exact);
    CU_add_test(suite, "huge samples stay finite", test_huge_samples_stay_finite);
    CU_add_test(suite, "streams of every length", test_streams_of_every_length);
    CU_add_test(suite, "long streams", test_long_streams);
    CU_add_test(suite, "peek", test_peek);
    CU_add_test(suite, "forget", test_forget);
    CU_add_test(suite, "restart", test_restart);
    CU_add_test(suite, "threads share a plan", test_threads_share_a_plan);
    CU_add_test(suite, "refuses what is wrong", test_refuses_what_is_wrong);
    CU_add_test(suite, "scaling", test_scaling);
    suite = CU_add_suite("spectrogram", NULL, NULL);
    CU_add_test(suite, "frequencies of bands", test_frequencies);
    CU_add_test(suite, "tones", test_tones);
    CU_add_test(suite, "no band is deaf", test_no_band_is_deaf);
    CU_add_test(suite, "lengths", test_lengths);
    CU_add_test(suite, "bands out of range", test_bands_out_of_range);
}
