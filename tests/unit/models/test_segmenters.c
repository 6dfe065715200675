// SPDX-License-Identifier: MIT
/* Where sound is cut: by its level, and by the voice network. */
#include "models/stream/model.h"
#include "models/vad/level_segmenter.h"
#include "models/vad/vad_segmenter.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_segmenters_tests(void);

/* ---- By the level ---- */

#define NOISE_SECONDS 10
#define NOISE_COUNT   (NOISE_SECONDS * HEARKEN_RATE)

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
    float *samples = malloc(NOISE_COUNT * sizeof(*samples));
    fill_noise(samples, NOISE_COUNT, level, offset);
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
        CU_ASSERT(about(level_segmenter_quietest(samples, 0, NOISE_COUNT), centre));
        CU_ASSERT(about(level_segmenter_quietest(samples, 90001, NOISE_COUNT - 5), centre));
        free(samples);
    }
}

/* A gap inside a word is quieter than the pause, but shorter than what is looked for. */
static void test_short_gaps_do_not_count(void)
{
    float *samples = noise(0.1, 0);
    memset(samples + 32000, 0, HEARKEN_RATE / 10 * sizeof(*samples));
    fill_noise(samples + 96000, HEARKEN_RATE * 3 / 10, 0.01, 0);
    CU_ASSERT(fabs((double)level_segmenter_quietest(samples, 0, NOISE_COUNT) / HEARKEN_RATE -
                   6.15) < 0.04);
    free(samples);
}

static void test_stays_in_the_window(void)
{
    float *samples = noise(0.1, 0);
    memset(samples, 0, 16000 * sizeof(*samples));
    memset(samples + NOISE_COUNT - 16000, 0, 16000 * sizeof(*samples));
    for (size_t from = 20000; from < 120000; from += 7777) {
        size_t at = level_segmenter_quietest(samples, from, from + 20000);
        CU_ASSERT(at >= from + 2000 && at + 2000 <= from + 20000);
    }
    free(samples);
}

static void test_ties_go_to_the_last(void)
{
    float *samples = calloc(NOISE_COUNT, sizeof(*samples));
    /* The last 250 ms that begin on a hop: their centre is 125 ms before the end. */
    EXPECT_EQUAL(level_segmenter_quietest(samples, 0, NOISE_COUNT), NOISE_COUNT - 2000);
    EXPECT_EQUAL(level_segmenter_quietest(samples, 100, 16100), 14100);
    for (size_t i = 0; i < NOISE_COUNT; i++)
        samples[i] = 0.25f;
    EXPECT_EQUAL(level_segmenter_quietest(samples, 0, NOISE_COUNT), NOISE_COUNT - 2000);
    free(samples);
}

static void test_short_windows(void)
{
    const float samples[4000] = {0};
    EXPECT_EQUAL(level_segmenter_quietest(samples, 0, 4000), 2000);
    EXPECT_EQUAL(level_segmenter_quietest(samples, 0, 3999), 1999);
    EXPECT_EQUAL(level_segmenter_quietest(samples, 10, 20), 15);
    EXPECT_EQUAL(level_segmenter_quietest(samples, 10, 10), 10);
    EXPECT_EQUAL(level_segmenter_quietest(samples, 10, 5), 10);
}

static double decibels(double level)
{
    return pow(10, level / 20);
}

static void test_silence(void)
{
    float *samples = noise(decibels(-73), 0);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, NOISE_COUNT));
    fill_noise(samples, NOISE_COUNT, decibels(-73), 0.3f);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, NOISE_COUNT));
    fill_noise(samples, NOISE_COUNT, 0, 0);
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, NOISE_COUNT));
    for (size_t i = 0; i < NOISE_COUNT; i++) /* what a recorder without dither leaves */
        samples[i] = rand() % 2 ? 1.0f / 32768 : 0;
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, NOISE_COUNT));
    CU_ASSERT_TRUE(level_segmenter_is_silent(samples, 0));
    free(samples);
}

/* 20 ms of sound anywhere, at the very end as well, are enough. */
static void test_sound(void)
{
    static const size_t places[] = {0, 320, 48000, 48111, NOISE_COUNT - 320};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        float *samples = noise(decibels(-80), 0.01f);
        CU_ASSERT_TRUE(level_segmenter_is_silent(samples, NOISE_COUNT));
        fill_noise(samples + places[i], 320, decibels(-60), 0.01f);
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples, NOISE_COUNT));
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples + places[i], 100));
        CU_ASSERT_FALSE(level_segmenter_is_silent(samples, places[i] + 310)); /* not whole frames */
        free(samples);
    }
    float *samples = noise(decibels(-67), 0);
    CU_ASSERT_FALSE(level_segmenter_is_silent(samples, NOISE_COUNT));
    free(samples);
}

/* ---- By the voice network ---- */

#define RATE HEARKEN_RATE

static struct hearken_model *model;

static int set_up(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    add_voice(&file, shape.mels, -5);
    model = open_model(&file);
    made_finish(&file);
    return model ? 0 : -1;
}

static int tear_down(void)
{
    hearken_model_destroy(model);
    return 0;
}

static struct hearken_stream_options options_of(void)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.endpointing = true;
    options.pre_roll = 0.3f;
    return options;
}

/* Noise of -20 dBFS for the seconds of odd places, silence for the others, by turns. */
static float *make_signal(const double *seconds, size_t parts, size_t *count)
{
    double total = 0;
    for (size_t i = 0; i < parts; i++)
        total += seconds[i];
    *count = (size_t)(total * RATE);
    float *samples = calloc(*count + 1, sizeof(*samples));
    size_t at = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t length = (size_t)(seconds[i] * RATE);
        for (size_t k = 0; i % 2 && k < length && at + k < *count; k++)
            samples[at + k] = 0.3f * ((float)rand() / (float)RAND_MAX - 0.5f);
        at += length;
    }
    return samples;
}

struct told {
    struct segmenter_event events[32];
    size_t count;
};

static void take_events(struct segmenter *segmenter, struct told *told)
{
    while (told->count < 32 && segmenter_next(segmenter, &told->events[told->count]))
        told->count++;
}

/* In pieces of up to `most` samples. What has been told lies before what is kept. */
static struct told run(const struct hearken_stream_options *options, size_t longest,
                       const float *samples, size_t count, size_t most)
{
    struct segmenter *segmenter = NULL;
    struct told told = {0};
    EXPECT_EQUAL_FATAL(segmenter_create(model->vad, model->logmel, options, longest, &segmenter),
                       0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(segmenter);
    for (size_t at = 0; at < count;) {
        size_t piece = most < count - at ? 1 + (size_t)rand() % most : count - at;
        piece = piece < count - at ? piece : count - at;
        EXPECT_EQUAL(segmenter_feed(segmenter, samples + at, piece), 0);
        at += piece;
        take_events(segmenter, &told);
        CU_ASSERT(segmenter_first_needed(segmenter) <= at);
    }
    EXPECT_EQUAL(segmenter_finish(segmenter), 0);
    take_events(segmenter, &told);
    CU_ASSERT_FALSE(segmenter_is_open(segmenter));
    segmenter_destroy(segmenter);
    return told;
}

static void expect(const struct told *told, size_t index, enum segmenter_event_type type,
                   double from, double to)
{
    const struct segmenter_event *event = &told->events[index];
    CU_ASSERT_FATAL(index < told->count);
    EXPECT_EQUAL(event->type, type);
    EXPECT_CLOSE((double)event->from / RATE, from, 0.03);
    if (type == SEGMENTER_SEGMENT)
        EXPECT_CLOSE((double)event->to / RATE, to, 0.03);
}

/* A short pause stays inside, a long one parts; segments begin before the sound and end behind. */
static void test_segments(void)
{
    size_t count;
    const double parts[] = {1, 0.5, 0.4, 0.5, 2, 1, 2};
    struct hearken_stream_options options = options_of();
    srand(1);
    float *samples = make_signal(parts, 7, &count);
    struct told told = run(&options, 28 * RATE, samples, count, count);
    EXPECT_EQUAL(told.count, 6);
    expect(&told, 0, SEGMENTER_STARTED, 1, 0);
    expect(&told, 1, SEGMENTER_STOPPED, 2.4, 0);
    expect(&told, 2, SEGMENTER_SEGMENT, 0.7, 2.7);
    expect(&told, 3, SEGMENTER_STARTED, 4.4, 0);
    expect(&told, 4, SEGMENTER_STOPPED, 5.4, 0);
    expect(&told, 5, SEGMENTER_SEGMENT, 4.1, 5.7);
    free(samples);
}

static void test_settings(void)
{
    size_t count;
    const double parts[] = {1, 0.5, 0.4, 0.5, 2, 1, 2};
    struct hearken_stream_options options = options_of();
    srand(1);
    float *samples = make_signal(parts, 7, &count);
    options.endpoint_seconds = 0.2f;
    options.pre_roll = 0;
    struct told told = run(&options, 28 * RATE, samples, count, count);
    EXPECT_EQUAL(told.count, 9);
    expect(&told, 2, SEGMENTER_SEGMENT, 1, 1.7);
    expect(&told, 5, SEGMENTER_SEGMENT, 1.9, 2.6);
    expect(&told, 8, SEGMENTER_SEGMENT, 4.4, 5.6);
    options = options_of();
    options.endpointing = false; /* the padding of 5 s parts */
    told = run(&options, 28 * RATE, samples, count, count);
    EXPECT_EQUAL(told.count, 3);
    expect(&told, 2, SEGMENTER_SEGMENT, 0.7, 5.7);
    options.partial_seconds = 1;
    told = run(&options, 28 * RATE, samples, count, count);
    EXPECT_EQUAL(told.count, 6);
    free(samples);
}

/* What is longer is cut in a pause, and the rest goes on without another start. */
static void test_cut(void)
{
    size_t count;
    const double parts[] = {0, 2.5, 0.5, 2.5, 1};
    struct hearken_stream_options options = options_of();
    srand(1);
    float *samples = make_signal(parts, 5, &count);
    struct told told = run(&options, 4 * RATE, samples, count, count);
    EXPECT_EQUAL(told.count, 4);
    expect(&told, 0, SEGMENTER_STARTED, 0, 0);
    expect(&told, 1, SEGMENTER_SEGMENT, 0, 2.75);
    expect(&told, 2, SEGMENTER_STOPPED, 5.5, 0);
    expect(&told, 3, SEGMENTER_SEGMENT, 2.75, 5.8);
    free(samples);
}

/* However it is fed, to the sample. */
static void test_pieces(void)
{
    size_t count;
    const double parts[] = {0.3, 1, 0.8, 0.123, 0.7, 2, 0.1, 4, 0.9, 0.5, 0.0423};
    unsigned seed = (unsigned)time(NULL);
    printf("\n    seed %u ", seed);
    srand(seed);
    struct hearken_stream_options options = options_of();
    float *samples = make_signal(parts, 11, &count);
    struct told whole = run(&options, 3 * RATE, samples, count, count);
    CU_ASSERT(whole.count > 10);
    const size_t most[] = {100, 1000, 20000};
    for (size_t i = 0; i < 3; i++) {
        struct told pieces = run(&options, 3 * RATE, samples, count, most[i]);
        EXPECT_EQUAL_FATAL(pieces.count, whole.count);
        for (size_t k = 0; k < whole.count; k++) {
            const struct segmenter_event *a = &whole.events[k], *b = &pieces.events[k];
            CU_ASSERT(a->type == b->type && a->from == b->from && a->to == b->to);
        }
    }
    free(samples);
}

/* Less than a frame, and nothing at all. */
static void test_short_signals(void)
{
    float samples[700];
    struct hearken_stream_options options = options_of();
    for (size_t i = 0; i < 700; i++)
        samples[i] = 0.3f * ((float)rand() / (float)RAND_MAX - 0.5f);
    for (size_t count = 0; count < 700; count += 50) {
        struct told told = run(&options, 28 * RATE, samples, count, 64);
        EXPECT_EQUAL(told.count, 0);
    }
}

static void test_not_wanted(void)
{
    struct segmenter *segmenter = NULL;
    struct hearken_stream_options options = options_of();
    EXPECT_EQUAL(segmenter_create(model->vad, model->logmel, &options, RATE / 4, &segmenter), 0);
    CU_ASSERT_PTR_NULL(segmenter);
    options.voice = false;
    EXPECT_EQUAL(segmenter_create(model->vad, model->logmel, &options, 28 * RATE, &segmenter), 0);
    CU_ASSERT_PTR_NULL(segmenter);
    segmenter_destroy(NULL);
}

void add_segmenters_tests(void)
{
    CU_pSuite suite = CU_add_suite("segment", NULL, NULL);
    CU_add_test(suite, "finds the pause", test_finds_the_pause);
    CU_add_test(suite, "short gaps do not count", test_short_gaps_do_not_count);
    CU_add_test(suite, "stays in the window", test_stays_in_the_window);
    CU_add_test(suite, "ties go to the last", test_ties_go_to_the_last);
    CU_add_test(suite, "short windows", test_short_windows);
    CU_add_test(suite, "silence is silent", test_silence);
    CU_add_test(suite, "sound is not", test_sound);
    suite = CU_add_suite("segmenter", set_up, tear_down);
    CU_add_test(suite, "segments", test_segments);
    CU_add_test(suite, "settings", test_settings);
    CU_add_test(suite, "cut", test_cut);
    CU_add_test(suite, "pieces of any size", test_pieces);
    CU_add_test(suite, "short signals", test_short_signals);
    CU_add_test(suite, "not wanted", test_not_wanted);
}
