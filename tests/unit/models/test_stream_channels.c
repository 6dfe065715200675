// SPDX-License-Identifier: MIT
/* Streams that tell channels apart. */
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_stream_channels_tests(void);

#define SECONDS 8u
#define COUNT   ((size_t)SECONDS * RATE)

/* Seconds of sound within silence. */
static float *sound_between(unsigned seed, double from, double to)
{
    size_t count;
    float *made = make_sound(seed, to - from, &count), *all = calloc(COUNT, sizeof(*all));
    memcpy(all + (size_t)(from * RATE), made, count * sizeof(*made));
    free(made);
    return all;
}

/* [COUNT, channels] */
static float *interleave(float *const *channels, uint32_t count)
{
    float *all = malloc(COUNT * count * sizeof(*all));
    for (size_t i = 0; i < COUNT; i++)
        for (uint32_t c = 0; c < count; c++)
            all[i * count + c] = channels[c][i];
    return all;
}

/* A record for each channel: number 0 is what is mixed, and the end. */
struct records {
    struct record of[1 + HEARKEN_CHANNELS_EACH_MAX];
};

static void take_channel(void *context, const struct hearken_event *event)
{
    struct records *records = context;
    CU_ASSERT_FATAL(event->channel <= HEARKEN_CHANNELS_EACH_MAX);
    take_event(&records->of[event->channel], event);
}

static void transcribe_apart(struct hearken_model *model, struct hearken_stream_options options,
                             const float *samples, uint32_t channels, size_t piece,
                             struct records *records)
{
    struct hearken_stream *stream;
    options.audio.channels = channels;
    for (size_t i = 0; i <= HEARKEN_CHANNELS_EACH_MAX; i++)
        start_record(&records->of[i]);
    EXPECT_EQUAL_FATAL(hearken_stream_create(model, &options, take_channel, records, &stream, NULL),
                       0);
    for (size_t at = 0; at < COUNT; at += piece) {
        size_t more = COUNT - at < piece ? COUNT - at : piece;
        EXPECT_EQUAL(hearken_stream_write(stream, samples + at * channels, more, NULL), 0);
    }
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    EXPECT_EQUAL(records->of[0].ends, 1);
    EXPECT_CLOSE(records->of[0].end_time, (double)SECONDS, 0);
    for (size_t i = 0; i <= HEARKEN_CHANNELS_EACH_MAX; i++)
        CU_ASSERT(records->of[i].kept);
    hearken_stream_destroy(stream);
}

static void finish_records(struct records *records)
{
    for (size_t i = 0; i <= HEARKEN_CHANNELS_EACH_MAX; i++)
        finish_record(&records->of[i]);
}

static struct hearken_stream_options separate_options(unsigned channels)
{
    struct hearken_stream_options options = stream_options_of();
    options.channels = channels;
    options.endpointing = true;
    return options;
}

/* Each channel gives what it gives alone, at the same times, whoever speaks in the others; one that
 * is silent gives nothing. With and without a voice network. */
static void test_each_as_alone(void)
{
    for (int hears = 0; hears < 2; hears++) {
        struct hearken_model *model =
            hears ? hearing_model_of(recurrent_shape(2)) : model_of(recurrent_shape(2));
        float *channels[] = {sound_between(1, 0, 5), sound_between(2, 4, 8),
                             calloc(COUNT, sizeof(float)), sound_between(3, 6, 7)};
        float *samples = interleave(channels, 4);
        struct records apart, pieces;
        struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_EACH);
        transcribe_apart(model, options, samples, 4, COUNT, &apart);
        transcribe_apart(model, options, samples, 4, 777, &pieces);
        EXPECT_EQUAL(apart.of[0].finals, 0);
        for (uint32_t c = 0; c < 4; c++) {
            struct records alone;
            transcribe_apart(model, options, channels[c], 1, COUNT, &alone);
            CU_ASSERT(same_bytes(&apart.of[c + 1].text, &pieces.of[c + 1].text));
            CU_ASSERT(same_bytes(&apart.of[c + 1].spoken, &alone.of[0].spoken));
            CU_ASSERT_EQUAL(alone.of[0].finals == 0, c == 2);
            EXPECT_CLOSE(apart.of[c + 1].first_start, alone.of[0].first_start, 0.011);
            finish_records(&alone);
            free(channels[c]);
        }
        finish_records(&apart);
        finish_records(&pieces);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Mono in two channels, once: mixed, or in the first of them. */
static void test_same_in_both(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    float *sound = sound_between(1, 1, 7), *channels[] = {sound, sound};
    float *samples = interleave(channels, 2);
    struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_EACH);
    struct records apart, alone;
    transcribe_apart(model, options, sound, 1, COUNT, &alone);
    transcribe_apart(model, options, samples, 2, 1600, &apart);
    CU_ASSERT(alone.of[0].finals > 0);
    CU_ASSERT(same_bytes(&apart.of[1].spoken, &alone.of[0].spoken));
    EXPECT_EQUAL(apart.of[2].finals, 0);
    finish_records(&apart);
    options.channels = HEARKEN_CHANNELS_AUTO;
    transcribe_apart(model, options, samples, 2, 1600, &apart);
    CU_ASSERT(same_bytes(&apart.of[0].spoken, &alone.of[0].spoken));
    EXPECT_EQUAL(apart.of[1].finals + apart.of[2].finals, 0);
    finish_records(&apart);
    finish_records(&alone);
    free(samples);
    free(sound);
    hearken_model_destroy(model);
}

static void test_automatic(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    float *channels[] = {sound_between(1, 0, 5), sound_between(2, 3, 8), sound_between(3, 2, 4),
                         sound_between(4, 5, 8), sound_between(5, 1, 6)};
    struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_AUTO);
    for (uint32_t count = 1; count <= 5; count++) {
        bool apart = count > 1 && count <= HEARKEN_CHANNELS_AUTO_MAX;
        float *samples = interleave(channels, count);
        struct records records;
        transcribe_apart(model, options, samples, count, 1600, &records);
        for (uint32_t c = 0; c <= 5; c++)
            CU_ASSERT_EQUAL(records.of[c].finals > 0, apart ? c >= 1 && c <= count : c == 0);
        finish_records(&records);
        free(samples);
    }
    for (size_t c = 0; c < 5; c++)
        free(channels[c]);
    hearken_model_destroy(model);
}

/* In a recording, pauses up to five seconds do not end a segment; but another one's turn does. */
static void test_turns(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    float *channels[] = {sound_between(1, 0, 0.5), sound_between(2, 0.6, 2.2)};
    float *again = sound_between(3, 2.1, 2.6); /* the network hears 3 s at most */
    for (size_t i = 0; i < COUNT; i++)
        channels[0][i] += again[i];
    float *samples = interleave(channels, 2);
    struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_EACH);
    struct records apart;
    struct record alone;
    options.endpointing = false;
    options.voice_events = true;
    transcribe(model, &options, channels[0], COUNT, 0, &alone);
    transcribe_apart(model, options, samples, 2, 1600, &apart);
    EXPECT_EQUAL(alone.voice_events, 2);
    EXPECT_EQUAL(apart.of[1].voice_events, 4);
    EXPECT_EQUAL(apart.of[2].voice_events, 2);
    finish_record(&alone);
    finish_records(&apart);
    free(samples);
    free(channels[0]);
    free(channels[1]);
    free(again);
    hearken_model_destroy(model);
}

/* Partial texts, rates and sample types. */
static void test_forms(void)
{
    static const uint32_t rates[] = {22050, 48000};
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    for (size_t i = 0; i < 2; i++) {
        size_t count;
        float *sound = make_sound(7, 4, &count);
        int16_t *samples = malloc(count * 8 * sizeof(*samples));
        for (size_t k = 0; k < count * 8; k++)
            samples[k] = (int16_t)(k % 8 == 5 ? 32767 * sound[k / 8] : 0);
        struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_EACH);
        options.audio = (struct hearken_audio_format){rates[i], 8, HEARKEN_SAMPLE_S16};
        options.partial_seconds = 0.3f;
        struct records records = {0};
        struct hearken_stream *stream;
        for (size_t k = 0; k <= HEARKEN_CHANNELS_EACH_MAX; k++)
            start_record(&records.of[k]);
        EXPECT_EQUAL_FATAL(
            hearken_stream_create(model, &options, take_channel, &records, &stream, NULL), 0);
        EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
        EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
        EXPECT_CLOSE(records.of[0].end_time, (double)count / rates[i], 1e-4);
        for (size_t k = 0; k <= HEARKEN_CHANNELS_EACH_MAX; k++)
            CU_ASSERT_EQUAL(records.of[k].finals > 0, k == 6);
        struct hearken_stream_counters counters;
        hearken_stream_count(stream, &counters);
        CU_ASSERT(counters.partial_updates > 0);
        hearken_stream_destroy(stream);
        finish_records(&records);
        free(samples);
        free(sound);
    }
    hearken_model_destroy(model);
}

static void cancel(void *context, const struct hearken_event *event)
{
    (void)event;
    hearken_stream_cancel(*(struct hearken_stream **)context);
}

static void test_cancel(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    float *channels[] = {sound_between(1, 0, 5), sound_between(2, 3, 8)};
    float *samples = interleave(channels, 2);
    struct hearken_stream_options options = separate_options(HEARKEN_CHANNELS_EACH);
    struct hearken_stream *stream;
    options.audio.channels = 2;
    EXPECT_EQUAL_FATAL(hearken_stream_create(model, &options, cancel, &stream, &stream, NULL), 0);
    EXPECT_EQUAL(hearken_stream_write(stream, samples, COUNT, NULL), -ECANCELED);
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), -ECANCELED);
    hearken_stream_destroy(stream);
    free(samples);
    free(channels[0]);
    free(channels[1]);
    hearken_model_destroy(model);
}

void add_stream_channels_tests(void)
{
    CU_pSuite suite = CU_add_suite("channels of streams", NULL, NULL);
    CU_ADD_TEST(suite, test_each_as_alone);
    CU_ADD_TEST(suite, test_same_in_both);
    CU_ADD_TEST(suite, test_automatic);
    CU_ADD_TEST(suite, test_turns);
    CU_ADD_TEST(suite, test_forms);
    CU_ADD_TEST(suite, test_cancel);
}
