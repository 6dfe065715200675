// SPDX-License-Identifier: MIT
/* Streams that hear where somebody speaks, by a voice network that goes by loudness alone. */
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_stream_vad_tests(void);

static struct hearken_model *voiced_model(struct model_shape shape, bool hears)
{
    return hears ? hearing_model_of(shape) : model_of(shape);
}

static struct hearken_model *hearing_model(bool hears)
{
    return voiced_model(recurrent_shape(2), hears);
}

/* `count` sounds of a second each, two seconds of silence before each and behind the last. */
static float *make_sounds(size_t count, size_t *samples)
{
    size_t length;
    *samples = (3 * count + 2) * RATE;
    float *all = calloc(*samples, sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        float *sound = make_sound((unsigned)i, 1, &length);
        memcpy(all + (3 * i + 2) * RATE, sound, length * sizeof(*sound));
        free(sound);
    }
    return all;
}

/* A speaker who waits gets a segment for each sound, whatever pieces it comes in; and the times are
 * those of the stream, though silence was never recognised. */
static void test_voice_segments(void)
{
    struct hearken_model *model = hearing_model(true);
    size_t count;
    float *samples = make_sounds(3, &count);
    struct hearken_stream_options options = stream_options_of();
    struct record whole, pieces;
    options.endpointing = options.voice_events = true;
    options.pre_roll = 0.3f;
    transcribe(model, &options, samples, count, 0, &whole);
    transcribe(model, &options, samples, count, 333, &pieces);
    CU_ASSERT(same_bytes(&whole.text, &pieces.text));
    EXPECT_EQUAL(whole.voice_events, 6);
    EXPECT_EQUAL(whole.finals, 3);
    EXPECT_CLOSE(whole.first_start, 2 - 0.3, 0.05);
    EXPECT_CLOSE(whole.longest, 1 + 0.6, 0.2);
    EXPECT_CLOSE(whole.end_time, 11, 1e-6);
    finish_record(&pieces);
    finish_record(&whole);
    free(samples);
    hearken_model_destroy(model);
}

/* Otherwise pauses up to the padding do not part what was said. */
static void test_voice_joins(void)
{
    struct hearken_model *model = hearing_model(true);
    size_t count;
    float *samples = make_sounds(2, &count);
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    options.segment_seconds = 2; /* too short for both */
    options.padding = 3;
    transcribe(model, &options, samples, count, 0, &record);
    EXPECT_EQUAL(record.voice_events, 0);
    EXPECT_EQUAL(record.finals, 2);
    CU_ASSERT(record.longest <= 2 + 1e-6);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* There is no partial text while nobody speaks, nor any text at all of what is not loud enough. */
static void test_voice_silence(void)
{
    struct hearken_model *model = hearing_model(true);
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(1, 5, &count);
    for (size_t i = 0; i < count; i++)
        samples[i] *= 0.01f;
    options.partial_seconds = 0.3f;
    options.voice_events = true;
    transcribe(model, &options, samples, count, 1600, &record);
    EXPECT_EQUAL(record.partials + record.finals + record.voice_events, 0);
    EXPECT_CLOSE(record.end_time, 5, 1e-6);
    finish_record(&record);
    options.voice = false;
    transcribe(model, &options, samples, count, 1600, &record);
    CU_ASSERT(record.finals > 0);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Without a voice network, and with one that is not wanted, all is as it was. */
static void test_voice_is_an_option(void)
{
    struct hearken_model *with = hearing_model(true), *without = hearing_model(false);
    struct hearken_stream_options options = stream_options_of();
    struct record a, b;
    size_t count;
    float *samples = make_sounds(2, &count);
    options.voice_events = options.endpointing = true;
    transcribe(without, &options, samples, count, 0, &a);
    options.voice = false;
    transcribe(with, &options, samples, count, 0, &b);
    CU_ASSERT(same_bytes(&a.text, &b.text));
    EXPECT_EQUAL(a.voice_events + b.voice_events, 0);
    finish_record(&a);
    finish_record(&b);
    free(samples);
    hearken_model_destroy(with);
    hearken_model_destroy(without);
}

static void test_voice_that_is_wrong(void)
{
    struct model_shape shape = recurrent_shape(2);
    struct made_file file = make_model(&shape);
    struct hearken_error error = {""};
    struct hearken_model *model = NULL;
    add_voice(&file, shape.mels, -5);
    made_remove(&file, "voice.output.bias");
    struct bytes bytes = made_bytes(&file);
    char *path = write_temporary(bytes.data, bytes.length);
    EXPECT_EQUAL(hearken_model_open(path, &reference_backend, &model, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, path);
    EXPECT_CONTAINS(error.message, "'voice.output.bias' is missing");
    unlink(path);
    free(path);
    bytes_finish(&bytes);
    made_finish(&file);
}

/* Partial texts begin with the sound, and what is committed stays, also where a segment is cut. */
static void test_voice_partials(void)
{
    struct hearken_model *model = hearing_model(true);
    struct hearken_stream_options options = stream_options_of();
    size_t count;
    float *samples = make_sounds(4, &count);
    struct record record;
    options.pre_roll = 0.3f;
    options.partial_seconds = 0.2f;
    options.segment_seconds = 2;
    options.endpoint_seconds = 2.5f;
    transcribe(model, &options, samples, count, 1600, &record);
    CU_ASSERT(record.partials >= 4 && record.finals >= 4);
    CU_ASSERT(record.longest <= 2 + 1e-6);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Sound that comes as it is spoken: between two pieces of it the stream has to wait. */
static uint64_t transcribe_live(struct hearken_model *model,
                                const struct hearken_stream_options *options, const float *samples,
                                size_t count, struct record *record)
{
    struct hearken_stream *stream = create(model, options, record);
    struct hearken_stream_counters counters;
    for (size_t at = 0; at < count; at += RATE / 20) {
        size_t piece = count - at < RATE / 20 ? count - at : RATE / 20;
        EXPECT_EQUAL(hearken_stream_write(stream, samples + at, piece, NULL), 0);
        usleep(10000);
    }
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    hearken_stream_count(stream, &counters);
    hearken_stream_destroy(stream);
    return counters.early_finals;
}

/* The text of a segment is ready when it ends, and the same as if it had been made then. A listener
 * that hears in chunks is not disturbed. */
static void test_voice_early(void)
{
    const bool chunks[] = {false, true};
    size_t count;
    float *samples = make_sounds(3, &count);
    for (size_t i = 0; i < 2; i++) {
        struct model_shape shape = recurrent_shape(2);
        if (!chunks[i])
            shape.chunk = 0;
        struct hearken_model *model = voiced_model(shape, true);
        struct hearken_stream_options options = stream_options_of();
        struct record late, speculative;
        options.endpointing = true;
        options.partial_share = 0.5f;
        transcribe(model, &options, samples, count, 800, &late);
        EXPECT_EQUAL(transcribe_live(model, &options, samples, count, &speculative),
                     chunks[i] ? 0 : late.finals);
        CU_ASSERT(late.finals > 0);
        CU_ASSERT(same_bytes(&late.text, &speculative.text));
        finish_record(&late);
        finish_record(&speculative);
        hearken_model_destroy(model);
    }
    free(samples);
}

void add_stream_vad_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream voice", NULL, NULL);
    CU_ADD_TEST(suite, test_voice_segments);
    CU_ADD_TEST(suite, test_voice_joins);
    CU_ADD_TEST(suite, test_voice_silence);
    CU_ADD_TEST(suite, test_voice_partials);
    CU_ADD_TEST(suite, test_voice_early);
    CU_ADD_TEST(suite, test_voice_is_an_option);
    CU_ADD_TEST(suite, test_voice_that_is_wrong);
}
