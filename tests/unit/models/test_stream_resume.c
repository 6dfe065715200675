// SPDX-License-Identifier: MIT
/* Streams that go on where another one ended: the same events, to the bit. */
#include "models/stream/model.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_stream_resume_tests(void);

#define SECONDS 24u
#define COUNT   ((size_t)SECONDS * RATE)
#define PIECE   4000u
#define PIECES  ((COUNT + PIECE - 1) / PIECE)

/* What a stream had told when it had been given so many pieces. */
struct stage {
    double border;
    size_t told; /* bytes of the record */
};

/* Turns of `channels` speakers, with pauses; two speak together now and then. */
static float *make_talk(uint32_t channels)
{
    float *all = calloc(COUNT * channels, sizeof(*all));
    for (unsigned turn = 0; turn < SECONDS / 3; turn++) {
        size_t count, from = (size_t)turn * 3 * RATE + RATE / 2;
        float *sound = make_sound(turn + 1, turn % 3 == 2 ? 2.9 : 1.4, &count);
        for (size_t i = 0; i < count && from + i < COUNT; i++)
            all[(from + i) * channels + turn % channels] += sound[i];
        free(sound);
    }
    return all;
}

/* `stages` NULL: only the record is wanted. */
static void write_all_pieces(struct hearken_stream *stream, const float *samples, uint32_t channels,
                             const struct record *record, struct stage *stages)
{
    for (size_t piece = 0; piece < PIECES; piece++) {
        size_t at = piece * PIECE, more = COUNT - at < PIECE ? COUNT - at : PIECE;
        EXPECT_EQUAL_FATAL(hearken_stream_write(stream, samples + at * channels, more, NULL), 0);
        if (stages)
            stages[piece] = (struct stage){hearken_stream_border(stream), record->text.length};
    }
    EXPECT_EQUAL_FATAL(hearken_stream_finish(stream, NULL), 0);
}

/* From every border that a stream told of. Returns how many there were behind a text. */
static size_t resume_everywhere(struct hearken_model *model,
                                const struct hearken_stream_options *options, const float *samples)
{
    uint32_t channels = options->audio.channels;
    struct stage stages[PIECES];
    struct record whole, rest;
    size_t tried = 0;
    double last = 0;
    start_record(&whole);
    struct hearken_stream *stream = create(model, options, &whole);
    write_all_pieces(stream, samples, channels, &whole, stages);
    hearken_stream_destroy(stream);
    for (size_t i = 0; i < PIECES; i++) {
        CU_ASSERT(stages[i].border <= (double)SECONDS);
        if (stages[i].border <= last || stages[i].told == 0)
            continue;
        last = stages[i].border;
        tried++;
        start_record(&rest);
        stream = create(model, options, &rest);
        EXPECT_EQUAL_FATAL(hearken_stream_resume(stream, last, NULL), 0);
        write_all_pieces(stream, samples, channels, &rest, NULL);
        hearken_stream_destroy(stream);
        EXPECT_EQUAL_FATAL(rest.text.length, whole.text.length - stages[i].told);
        CU_ASSERT(memcmp(rest.text.data, whole.text.data + stages[i].told, rest.text.length) == 0);
        finish_record(&rest);
    }
    CU_ASSERT(whole.finals > 2);
    finish_record(&whole);
    return tried;
}

/* By a voice network and at quiet places, a mixed signal and channels told apart. Channels that are
 * cut at quiet places seldom have a border in common. */
static void test_same_events(void)
{
    for (uint32_t channels = 1; channels <= 2; channels++) {
        float *samples = make_talk(channels);
        for (int hears = 0; hears < 2; hears++) {
            struct hearken_model *model =
                hears ? hearing_model_of(recurrent_shape(2)) : model_of(transformer_shape(2));
            struct hearken_stream_options options = stream_options_of();
            options.audio.channels = channels;
            options.channels = channels > 1 ? HEARKEN_CHANNELS_EACH : HEARKEN_CHANNELS_MIX;
            options.endpointing = true;
            options.segment_seconds = 2.5f;
            size_t tried = resume_everywhere(model, &options, samples);
            CU_ASSERT(tried >= 3 || (channels > 1 && !hears));
            hearken_model_destroy(model);
        }
        free(samples);
    }
}

/* While several segments are recognised at a time, those that are not told are behind the border.
 */
static void test_several_at_a_time(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    struct hearken_stream_options options = stream_options_of();
    float *samples = make_talk(1);
    options.audio.channels = 1;
    options.segment_seconds = 2;
    for (unsigned threads = 1; threads <= 4; threads++) {
        model->network->compute->host.threads = threads;
        CU_ASSERT(resume_everywhere(model, &options, samples) >= 3);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* A border is a time between segments: an open one begins behind it. */
static void test_no_border_within(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(3, 8, &count);
    start_record(&record);
    struct hearken_stream *stream = create(model, &options, &record);
    EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
    CU_ASSERT(hearken_stream_border(stream) < 8);
    CU_ASSERT(record.finals == 0 || hearken_stream_border(stream) >= record.last_end);
    hearken_stream_destroy(stream);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

static void test_refusals(void)
{
    struct hearken_model *model = hearing_model_of(recurrent_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct hearken_error error;
    struct record record;
    const float silence[100] = {0};
    start_record(&record);
    struct hearken_stream *stream = create(model, &options, &record);
    EXPECT_EQUAL(hearken_stream_resume(stream, -1, &error), -EINVAL);
    EXPECT_EQUAL(hearken_stream_resume(stream, (double)NAN, &error), -EINVAL);
    EXPECT_EQUAL(hearken_stream_resume(stream, (double)INFINITY, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "seconds");
    EXPECT_EQUAL(hearken_stream_write(stream, silence, 100, NULL), 0);
    EXPECT_EQUAL(hearken_stream_resume(stream, 1, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "written");
    hearken_stream_destroy(stream);
    options.partial_seconds = 1;
    stream = create(model, &options, &record);
    EXPECT_EQUAL(hearken_stream_resume(stream, 1, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "partial_seconds");
    EXPECT_EQUAL(hearken_stream_resume(stream, 0, &error), 0);
    EXPECT_EQUAL(hearken_stream_border(stream), 0);
    hearken_stream_destroy(stream);
    finish_record(&record);
    hearken_model_destroy(model);
}

void add_stream_resume_tests(void)
{
    CU_pSuite suite = CU_add_suite("resumed streams", NULL, NULL);
    CU_ADD_TEST(suite, test_same_events);
    CU_ADD_TEST(suite, test_several_at_a_time);
    CU_ADD_TEST(suite, test_no_border_within);
    CU_ADD_TEST(suite, test_refusals);
}
