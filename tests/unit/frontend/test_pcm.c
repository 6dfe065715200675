// SPDX-License-Identifier: MIT
#include "frontend/sound/pcm.h"
#include "frontend/sound/resample.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_pcm_tests(void);

static struct hearken_audio_format format_of(enum hearken_sample_type type, uint32_t channels)
{
    return (struct hearken_audio_format){.rate = 16000, .channels = channels, .type = type};
}

static void test_frame_size(void)
{
    static const size_t sizes[] = {1, 2, 3, 4, 4};
    for (int type = HEARKEN_SAMPLE_U8; type <= HEARKEN_SAMPLE_F32; type++) {
        struct hearken_audio_format format = format_of((enum hearken_sample_type)type, 3);
        EXPECT_EQUAL(hearken_audio_frame_size(&format), 3 * sizes[type]);
    }
}

static void test_formats_out_of_range(void)
{
    struct hearken_audio_format formats[] = {
        {999, 1, HEARKEN_SAMPLE_S16},
        {768001, 1, HEARKEN_SAMPLE_S16},
        {0, 1, HEARKEN_SAMPLE_S16},
        {16000, 0, HEARKEN_SAMPLE_S16},
        {16000, 65, HEARKEN_SAMPLE_S16},
        {16000, UINT32_MAX, HEARKEN_SAMPLE_S16},
        {16000, 1, (enum hearken_sample_type)5},
    };
    static const char *const named[] = {"999",     "768001",     "0 Hz",         "0 channels",
                                        "65 chan", "4294967295", "sample type 5"};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct hearken_error error = {""};
        EXPECT_EQUAL(hearken_audio_frame_size(&formats[i]), 0);
        EXPECT_EQUAL(pcm_format_check(&formats[i], &error), -EINVAL);
        EXPECT_CONTAINS(error.message, named[i]);
    }
    EXPECT_EQUAL(hearken_audio_frame_size(NULL), 0);
}

static void mix(const struct hearken_audio_format *format, const void *samples, size_t frames,
                float *mono)
{
    struct mixer mixer;
    mixer_init(&mixer, format);
    mixer_mix(&mixer, samples, frames, mono);
}

/* Least, most, zero and one step, at an odd address. */
static void test_each_type(void)
{
    static const struct {
        enum hearken_sample_type type;
        uint8_t bytes[17]; /* the first is skipped */
        float expected[4];
    } cases[] = {
        {HEARKEN_SAMPLE_U8, {0, 0, 255, 128, 129}, {-1, 127.0f / 128, 0, 1.0f / 128}},
        {HEARKEN_SAMPLE_S16,
         {0, 0, 0x80, 0xff, 0x7f, 0, 0, 1, 0},
         {-1, 32767.0f / 32768, 0, 1.0f / 32768}},
        {HEARKEN_SAMPLE_S24,
         {0, 0, 0, 0x80, 0xff, 0xff, 0x7f, 0, 0, 0, 0xff, 0xff, 0xff},
         {-1, 8388607.0f / 8388608, 0, -1.0f / 8388608}},
        {HEARKEN_SAMPLE_S32,
         {0, 0, 0, 0, 0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 1, 0, 0, 0},
         {-1, 0.5f, 0, 1.0f / 2147483648.0f}},
        {HEARKEN_SAMPLE_F32,
         {0, 0, 0, 0x80, 0xbf, 0, 0, 0, 0x3f, 0, 0, 0, 0x80, 0, 0, 0x20, 0xc1},
         {-1, 0.5f, 0, -10}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hearken_audio_format format = format_of(cases[i].type, 1);
        float mono[4];
        mix(&format, cases[i].bytes + 1, 4, mono);
        for (size_t k = 0; k < 4; k++)
            EXPECT_EQUAL(mono[k], cases[i].expected[k]);
    }
}

static void test_channels_are_averaged(void)
{
    const int16_t samples[] = {16384, -16384, 8192, 3, 3, 3};
    struct hearken_audio_format format = format_of(HEARKEN_SAMPLE_S16, 3);
    float mono[2];
    mix(&format, samples, 2, mono);
    EXPECT_EQUAL(mono[0], 0.25f / 3);
    EXPECT_EQUAL(mono[1], 3.0f / 32768);

    float floats[64];
    for (size_t i = 0; i < 64; i++)
        floats[i] = 0.1f;
    format = format_of(HEARKEN_SAMPLE_F32, 64);
    mix(&format, floats, 1, mono);
    EXPECT_EQUAL(mono[0], 0.1f);
}

/* One channel is the other upside down from the second second to the fourth, in the middle of which
 * there is a pause with a noise that both have; how the sound is cut
 * into pieces changes nothing. */
static void test_channels_that_cancel(void)
{
    enum { RATE = 16000, COUNT = 6 * RATE };
    static float samples[COUNT][2], whole[COUNT], pieces[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        bool pause = i >= 2 * RATE && i < 3 * RATE;
        float value = sinf(0.1f * (float)i) * (pause ? 0.01f : 1);
        samples[i][0] = value;
        samples[i][1] = i >= RATE && i < 4 * RATE && !pause ? -value * 1.1f : value;
    }
    struct hearken_audio_format format = format_of(HEARKEN_SAMPLE_F32, 2);
    struct mixer mixer;
    mixer_init(&mixer, &format);
    mixer_mix(&mixer, samples, COUNT, whole);
    CU_ASSERT(mixer.alone > 2 * RATE && mixer.alone < 7 * RATE / 2);
    CU_ASSERT(mixer.alone_from > RATE && mixer.alone_from < 2 * RATE);
    for (size_t i = 0; i < RATE; i++)
        EXPECT_EQUAL(whole[i], samples[i][0]);
    for (size_t i = mixer.alone_from; i < 4 * RATE; i++)
        EXPECT_EQUAL(whole[i], samples[i][1]);
    for (size_t i = COUNT - RATE / 2; i < COUNT; i++)
        EXPECT_EQUAL(whole[i], samples[i][0]);
    mixer_init(&mixer, &format);
    for (size_t at = 0, piece = 1; at < COUNT; at += piece, piece = piece * 7 % 1009) {
        if (piece > COUNT - at)
            piece = COUNT - at;
        mixer_mix(&mixer, samples[at], piece, pieces + at);
    }
    EXPECT_EQUAL(memcmp(whole, pieces, sizeof(whole)), 0);

    /* A channel that is silent, or noise of its own, cancels nothing. */
    for (size_t i = 0; i < COUNT; i++)
        samples[i][1] = i % 2 ? 0 : (float)((i * 2654435761u >> 9) % 1000) / 500 - 1;
    mixer_init(&mixer, &format);
    mixer_mix(&mixer, samples, COUNT, whole);
    EXPECT_EQUAL(mixer.alone, 0);
}

static void test_floats_are_tamed(void)
{
    const float samples[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, -NAN, 2147483648.0f, 1e-40f};
    const float expected[] = {
        0, 0, 0, AUDIO_SAMPLE_LIMIT, -AUDIO_SAMPLE_LIMIT, 0, 2147483648.0f, 1e-40f};
    struct hearken_audio_format format = format_of(HEARKEN_SAMPLE_F32, 1);
    float mono[8];
    mix(&format, samples, 8, mono);
    EXPECT_EQUAL(memcmp(mono, expected, sizeof(expected)), 0);
    format.channels = 2;
    mix(&format, samples, 4, mono);
    EXPECT_EQUAL(mono[0], 0);
    EXPECT_EQUAL(mono[1], AUDIO_SAMPLE_LIMIT / 2);
    EXPECT_EQUAL(mono[2], -AUDIO_SAMPLE_LIMIT / 2);
}

/* ---- Resampling ---- */

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

/* Of every type, from an odd address; what is not finite counts as 0. */
static void test_taking_channels(void)
{
    static const float floats[] = {0.25f, -0.5f, 1, NAN, INFINITY, -1};
    uint8_t bytes[1 + sizeof(floats)];
    float out[2];
    struct hearken_audio_format format = format_of(HEARKEN_SAMPLE_F32, 3);
    memcpy(bytes + 1, floats, sizeof(floats));
    pcm_take_channel(&format, bytes + 1, 0, 2, out);
    CU_ASSERT(out[0] == 0.25f && out[1] == 0);
    pcm_take_channel(&format, bytes + 1, 1, 2, out);
    CU_ASSERT(out[0] == -0.5f && out[1] == 0);
    pcm_take_channel(&format, bytes + 1, 2, 2, out);
    CU_ASSERT(out[0] == 1 && out[1] == -1);
    for (int type = HEARKEN_SAMPLE_U8; type <= HEARKEN_SAMPLE_S32; type++) {
        uint8_t samples[16] = {0};
        format = format_of((enum hearken_sample_type)type, 2);
        size_t size = hearken_audio_frame_size(&format) / 2;
        memset(samples, type == HEARKEN_SAMPLE_U8 ? 128 : 0, sizeof(samples));
        samples[4 * size - 1] = type == HEARKEN_SAMPLE_U8 ? 192 : 64; /* the second of channel 1 */
        pcm_take_channel(&format, samples, 1, 2, out);
        CU_ASSERT(out[0] == 0 && out[1] == 0.5f);
        pcm_take_channel(&format, samples, 0, 2, out);
        CU_ASSERT(out[0] == 0 && out[1] == 0);
    }
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

void add_pcm_tests(void)
{
    CU_pSuite suite = CU_add_suite("format", NULL, NULL);
    CU_add_test(suite, "frame sizes", test_frame_size);
    CU_add_test(suite, "formats out of range", test_formats_out_of_range);
    CU_add_test(suite, "each sample type", test_each_type);
    CU_add_test(suite, "channels are averaged", test_channels_are_averaged);
    CU_add_test(suite, "channels that cancel", test_channels_that_cancel);
    CU_add_test(suite, "channels are taken", test_taking_channels);
    CU_add_test(suite, "floats are tamed", test_floats_are_tamed);
    suite = CU_add_suite("resample", NULL, NULL);
    CU_add_test(suite, "length, and any pieces to the bit", test_length_and_pieces);
    CU_add_test(suite, "short recordings", test_short_recordings);
    CU_add_test(suite, "16 kHz passes through", test_pass_through);
    CU_add_test(suite, "tones keep time and level", test_tones_keep_time_and_level);
    CU_add_test(suite, "tones above 8 kHz are removed", test_tones_above_are_removed);
    CU_add_test(suite, "rates out of range", test_rates_out_of_range);
}
