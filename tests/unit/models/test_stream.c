// SPDX-License-Identifier: MIT
/* Streams: what goes in, segments, what is not believed, alignment, threads, how they end. */
#include "models/stream/model.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_stream_tests(void);

/* ---- Long sound ---- */

static void test_segments(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = stream_options_of();
        struct record record;
        size_t count;
        float *samples = make_sound(13, 40, &count);
        options.segment_seconds = 2;
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(record.finals >= 20 && record.finals <= 40);
        CU_ASSERT(record.longest <= 2);
        EXPECT_EQUAL(record.first_start, 0);
        EXPECT_EQUAL(record.last_end, 40);
        EXPECT_EQUAL(record.end_time, 40);
        finish_record(&record);
        /* Nor is a segment longer than the network has positions for: 3 s. */
        options.segment_seconds = 28;
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(record.finals >= 13 && record.longest > 2 && record.longest <= 3);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Networks of the fewest positions there may be. */
static void test_few_positions(void)
{
    for (uint32_t positions = 2; positions <= 5; positions++) {
        struct model_shape shape = recurrent_shape(2);
        shape.positions = positions;
        struct hearken_model *model = model_of(shape);
        struct hearken_stream_options options = stream_options_of();
        struct record record;
        size_t count;
        float *samples = make_sound(14, 1, &count);
        options.partial_seconds = 0.02f;
        transcribe(model, &options, samples, count, 333, &record);
        EXPECT_EQUAL(record.end_time, 1);
        CU_ASSERT(record.longest <= 0.02 * positions);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Several segments at a time: the same events, to the bit, in the same order. */
static void test_segments_at_the_same_time(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct record one;
    size_t count;
    float *samples = make_sound(13, 40, &count);
    options.segment_seconds = 2;
    options.alignment = true;
    model->network->compute->host.threads = 1;
    transcribe(model, &options, samples, count, 0, &one);
    CU_ASSERT(one.finals >= 20);
    for (uint32_t threads = 2; threads <= 6; threads++)
        for (size_t piece = 0; piece <= 4000; piece += 1000) {
            struct record several;
            model->network->compute->host.threads = threads;
            transcribe(model, &options, samples, count, piece, &several);
            CU_ASSERT(same_bytes(&one.text, &several.text));
            finish_record(&several);
        }
    finish_record(&one);
    free(samples);
    hearken_model_destroy(model);
}

/* Streams share the threads that a machine has use for. */
static void test_segment_threads_are_shared(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    model->network->compute->host.threads = 5;
    EXPECT_EQUAL(model_take_segment_threads(model, 9), 9);
    EXPECT_EQUAL(model_take_segment_threads(model, 4), 0);
    model_give_segment_threads(model, 9);
    EXPECT_EQUAL(model_take_segment_threads(model, 8), 8);
    EXPECT_EQUAL(model_take_segment_threads(model, 4), 2);
    EXPECT_EQUAL(model_take_segment_threads(model, 4), 0);
    model_give_segment_threads(model, 10);
    model->network->compute->host.threads = 1;
    EXPECT_EQUAL(model_take_segment_threads(model, 4), 0);
    hearken_model_destroy(model);
}

/* ---- What is not believed ---- */

static void test_thresholds(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    size_t count;
    float *samples = make_sound(16, 5, &count);
    for (uint32_t i = 0; i < 3; i++) {
        struct hearken_stream_options options = stream_options_of();
        struct record record;
        if (i == 1)
            options.log_probability_threshold = 0;
        if (i == 2)
            options.compression_threshold = 1; /* even random text deflates a little worse */
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(i == 1 ? record.finals == 0 : record.finals > 0);
        finish_record(&record);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* Says "the the the …" whatever it hears. */
static struct hearken_model *stubborn(void)
{
    struct model_shape shape = recurrent_shape(1);
    shape.positions = 400; /* 8 s */
    struct made_file file = make_model(&shape);
    struct made_tensor *embedding = made_find(&file, "speller.embedding.weight");
    memset(embedding->data.data, 0, embedding->data.length);
    for (uint32_t v = 0; v < shape.token_count; v++)
        set_weight(&file, "speller.bias", v, v == 4 ? 0 : -INFINITY);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* A loop is tried again in halves, and dropped when those loop as well. */
static void test_loops(void)
{
    struct hearken_model *model = stubborn();
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(17, 20, &count);
    options.ctc_weight = 0;
    transcribe(model, &options, samples, count, 0, &record);
    CU_ASSERT(record.finals >= 3 && record.words >= 33);
    finish_record(&record);
    options.compression_threshold = 2.4f;
    transcribe(model, &options, samples, count, 0, &record);
    EXPECT_EQUAL(record.finals, 0);
    EXPECT_EQUAL(record.end_time, 20);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Random attention goes back and forth: that is held against a text only where the file says which
 * heads go along the sound. The ones it lists here are those that count without a list. */
static void test_attention_is_a_limit_where_it_is_known(void)
{
    bool different = false;
    uint32_t seed;
    /* Which networks look back far enough hangs on rounding: look for one. */
    for (seed = 1; seed <= 40 && !different; seed++) {
        struct model_shape shape = transformer_shape(seed);
        struct made_file file = make_model(&shape);
        struct hearken_stream_options options = stream_options_of();
        struct record records[2];
        size_t count;
        float *samples = make_sound(23, 12, &count);
        /* Nothing ends by itself, so there is time to look back. */
        made_numbers(&file, "hearken.speller.suppress", GGUF_U32, (const double[]){0}, 1);
        for (size_t i = 0; i < 2; i++) {
            if (i == 1)
                made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32,
                             (const double[]){8, 9, 10, 11}, 4);
            struct hearken_model *model = open_model(&file);
            CU_ASSERT_PTR_NOT_NULL_FATAL(model);
            transcribe(model, &options, samples, count, 0, &records[i]);
            hearken_model_destroy(model);
        }
        different = !same_bytes(&records[0].text, &records[1].text);
        finish_record(&records[0]);
        finish_record(&records[1]);
        free(samples);
        made_finish(&file);
    }
    printf("(seed %u) ", seed - 1);
    CU_ASSERT(different);
}

/* ---- Alignment ---- */

struct expectation {
    bool wants;
    size_t events, right;
};

static void check_alignment(void *context, const struct hearken_event *event)
{
    struct expectation *e = context;
    const struct hearken_alignment *a = event->alignment;
    if (event->type != HEARKEN_EVENT_FINAL)
        return;
    e->events++;
    if (!e->wants) {
        e->right += !a;
        return;
    }
    /* The memory has a step each 40 ms; the transformer's would have one each 20 ms. */
    e->right += a && a->tokens > 0 && a->start == event->start && a->step_seconds == 0.04 &&
                a->steps == ceil((event->end - event->start) * 100 / 4 - 1e-6);
}

static void test_alignment_is_asked_for(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    size_t count;
    float *samples = make_sound(21, 6, &count);
    for (int wants = 0; wants < 2; wants++) {
        struct hearken_stream_options options = stream_options_of();
        struct expectation expectation = {.wants = wants};
        struct hearken_stream *stream = NULL;
        options.alignment = wants;
        EXPECT_EQUAL_FATAL(
            hearken_stream_create(model, &options, check_alignment, &expectation, &stream, NULL),
            0);
        EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
        EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
        CU_ASSERT(expectation.events >= 2);
        EXPECT_EQUAL(expectation.right, expectation.events);
        hearken_stream_destroy(stream);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* ---- Threads ---- */

#define THREADS 4

struct worker {
    struct hearken_model *model;
    const float *samples;
    size_t count, piece;
    bool failed;
    struct record record;
};

/* No assertions: CUnit's are for one thread. */
static void *work(void *context)
{
    struct worker *w = context;
    struct hearken_stream_options options = stream_options_of();
    struct hearken_stream *stream = NULL;
    start_record(&w->record);
    w->failed =
        hearken_stream_create(w->model, &options, take_event, &w->record, &stream, NULL) < 0;
    for (size_t at = 0; at < w->count && !w->failed; at += w->piece) {
        size_t left = w->count - at;
        w->failed = hearken_stream_write(stream, w->samples + at, left < w->piece ? left : w->piece,
                                         NULL) < 0;
    }
    w->failed = w->failed || hearken_stream_finish(stream, NULL) < 0;
    hearken_stream_destroy(stream);
    return NULL;
}

static void test_many_streams_on_one_model(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = stream_options_of();
        struct worker workers[THREADS];
        pthread_t threads[THREADS];
        struct record expected;
        size_t count;
        float *samples = make_sound(22, 8, &count);
        transcribe(model, &options, samples, count, 0, &expected);
        for (size_t i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){
                .model = model, .samples = samples, .count = count, .piece = 500 + 3000 * i};
            EXPECT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            CU_ASSERT_FALSE(workers[i].failed);
            CU_ASSERT(same_bytes(&workers[i].record.text, &expected.text));
            finish_record(&workers[i].record);
        }
        finish_record(&expected);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* ---- What goes in ---- */

/* ---- How it is fed ---- */

static void test_pieces_of_any_size(void)
{
    static const size_t pieces[] = {1, 7, 160, 1000, 4095, 4096, 4097, 50000};
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = stream_options_of();
        struct record whole, pieced;
        size_t count;
        float *samples = make_sound(10, 7.3, &count);
        transcribe(model, &options, samples, count, 0, &whole);
        CU_ASSERT(whole.finals >= 2 && whole.words > 2 && whole.rows > 4);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
            transcribe(model, &options, samples, count, pieces[i], &pieced);
            CU_ASSERT(same_bytes(&whole.text, &pieced.text));
            finish_record(&pieced);
        }
        finish_record(&whole);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Pieces of other rates, through the resampler. */
static void test_rates(void)
{
    static const uint32_t rates[] = {1000, 8000, 11025, 44100, 48000, 96000};
    struct hearken_model *model = model_of(recurrent_shape(2));
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct hearken_stream_options options = stream_options_of();
        struct record whole, pieced;
        size_t count;
        float *samples = make_sound(11, 6.0 * rates[i] / RATE, &count);
        options.audio.rate = rates[i];
        transcribe(model, &options, samples, count, 0, &whole);
        transcribe(model, &options, samples, count, 1237, &pieced);
        CU_ASSERT(same_bytes(&whole.text, &pieced.text));
        CU_ASSERT(whole.finals >= 2);
        CU_ASSERT(fabs(whole.end_time - (double)count / rates[i]) < 1.0 / RATE);
        finish_record(&whole);
        finish_record(&pieced);
        free(samples);
    }
    hearken_model_destroy(model);
}

/* The same sound as `type`, twice side by side if `channels` is 2. */
static void *convert(const float *samples, size_t count, enum hearken_sample_type type,
                     uint32_t channels)
{
    struct bytes bytes = {0};
    for (size_t i = 0; i < count * channels; i++) {
        float sample = samples[i / channels];
        int32_t whole = (int32_t)(sample * 32768);
        if (type == HEARKEN_SAMPLE_F32)
            bytes_put(&bytes, &sample, 4);
        else if (type == HEARKEN_SAMPLE_S16)
            bytes_put(&bytes, &(int16_t){(int16_t)whole}, 2);
        else if (type == HEARKEN_SAMPLE_S24)
            bytes_put(&bytes, &(int32_t){whole * 256}, 3);
        else
            bytes_put(&bytes, &(int32_t){whole * 65536}, 4);
    }
    return bytes.data;
}

static void test_types(void)
{
    static const enum hearken_sample_type types[] = {HEARKEN_SAMPLE_S16, HEARKEN_SAMPLE_S24,
                                                     HEARKEN_SAMPLE_S32, HEARKEN_SAMPLE_F32};
    struct hearken_model *model = model_of(recurrent_shape(3));
    struct hearken_stream_options options = stream_options_of();
    struct record expected, found;
    size_t count;
    float *samples = make_sound(12, 4, &count);
    transcribe(model, &options, samples, count, 0, &expected);
    CU_ASSERT(expected.finals > 0);
    for (size_t i = 0; i < 8; i++) {
        options.audio = (struct hearken_audio_format){RATE, 1 + (uint32_t)i % 2, types[i / 2]};
        void *converted = convert(samples, count, options.audio.type, options.audio.channels);
        transcribe(model, &options, converted, count, 777, &found);
        CU_ASSERT(same_bytes(&expected.text, &found.text));
        finish_record(&found);
        free(converted);
    }
    finish_record(&expected);
    free(samples);
    hearken_model_destroy(model);
}

/* Eight bits are coarse: the same as those very steps in float. */
static void test_eight_bits(void)
{
    struct hearken_model *model = model_of(recurrent_shape(3));
    struct hearken_stream_options options = stream_options_of();
    struct record expected, found;
    size_t count;
    float *samples = make_sound(12, 4, &count);
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(128 + lroundf(samples[i] * 128));
        samples[i] = (float)(bytes[i] - 128) / 128;
    }
    transcribe(model, &options, samples, count, 0, &expected);
    options.audio.type = HEARKEN_SAMPLE_U8;
    transcribe(model, &options, bytes, count, 0, &found);
    CU_ASSERT(expected.finals > 0);
    CU_ASSERT(same_bytes(&expected.text, &found.text));
    finish_record(&expected);
    finish_record(&found);
    free(samples);
    free(bytes);
    hearken_model_destroy(model);
}

/* ---- Nothing to hear ---- */

static void test_no_samples(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    struct hearken_stream *stream = create(model, &options, &record);
    EXPECT_EQUAL(hearken_stream_write(stream, NULL, 0, NULL), 0);
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT(record.ends == 1 && record.finals == 0 && record.partials == 0);
    EXPECT_EQUAL(record.end_time, 0);
    hearken_stream_destroy(stream);
    hearken_stream_destroy(NULL);
    finish_record(&record);
    hearken_model_destroy(model);
    hearken_model_destroy(NULL);
}

/* Silence, a constant, what is no number, of any length: no text, and the right end. */
static void test_silence(void)
{
    static const float values[] = {0, 0.25f, NAN, INFINITY, -INFINITY};
    static const size_t counts[] = {1, 159, 160, 399, 400, 16000, 16000 * 9 + 5};
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = stream_options_of();
    float *samples = malloc((16000 * 9 + 5) * sizeof(*samples));
    for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
        for (size_t i = 0; i < 16000 * 9 + 5; i++)
            samples[i] = values[v];
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            struct record record;
            transcribe(model, &options, samples, counts[c], 0, &record);
            CU_ASSERT(record.finals == 0 && record.partials == 0);
            EXPECT_EQUAL(record.end_time, (double)counts[c] / RATE);
            finish_record(&record);
        }
    }
    free(samples);
    hearken_model_destroy(model);
}

/* As short as sound can be. */
static void test_short_sound(void)
{
    static const size_t counts[] = {1, 2, 159, 160, 161, 319, 320, 399, 400, 401, 640, 641};
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(1) : recurrent_shape(1));
        struct hearken_stream_options options = stream_options_of();
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            float samples[641];
            struct record record;
            for (size_t i = 0; i < 641; i++)
                samples[i] = i % 2 ? 0.5f : -0.5f;
            transcribe(model, &options, samples, counts[c], 0, &record);
            EXPECT_EQUAL(record.end_time, (double)counts[c] / RATE);
            finish_record(&record);
        }
        hearken_model_destroy(model);
    }
}

/* ---- How they end ---- */

struct run {
    struct hearken_model *model;
    struct hearken_stream *stream;
    struct record record;
};

static void begin(struct run *run, struct model_shape shape, struct hearken_stream_options options)
{
    run->model = model_of(shape);
    run->stream = create(run->model, &options, &run->record);
}

static void give_up(struct run *run)
{
    hearken_stream_destroy(run->stream);
    finish_record(&run->record);
    hearken_model_destroy(run->model);
}

static void test_after_the_end(void)
{
    struct run run;
    struct hearken_error error = {""};
    float sample = 0;
    begin(&run, recurrent_shape(1), stream_options_of());
    EXPECT_EQUAL(hearken_stream_finish(run.stream, NULL), 0);
    EXPECT_EQUAL(hearken_stream_finish(run.stream, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "finished");
    EXPECT_EQUAL(hearken_stream_write(run.stream, &sample, 1, &error), -EINVAL);
    EXPECT_EQUAL(hearken_stream_write(run.stream, NULL, 0, NULL), -EINVAL);
    EXPECT_EQUAL(run.record.ends, 1);
    give_up(&run);
}

static void test_cancelled_before(void)
{
    struct run run;
    struct hearken_error error = {""};
    float sample = 0;
    begin(&run, recurrent_shape(1), stream_options_of());
    hearken_stream_cancel(run.stream);
    hearken_stream_cancel(run.stream);
    EXPECT_EQUAL(hearken_stream_write(run.stream, &sample, 1, &error), -ECANCELED);
    EXPECT_CONTAINS(error.message, "cancelled");
    EXPECT_EQUAL(hearken_stream_finish(run.stream, &error), -ECANCELED);
    EXPECT_EQUAL(run.record.text.length, 0);
    give_up(&run);
}

/* While other segments are being recognised. */
static void test_cancelled_with_segments_at_work(void)
{
    struct hearken_stream_options options = stream_options_of();
    struct run run;
    size_t count;
    float *samples = make_sound(18, 30, &count);
    options.segment_seconds = 2;
    run.model = model_of(transformer_shape(2));
    run.model->network->compute->host.threads = 3;
    run.stream = create(run.model, &options, &run.record);
    EXPECT_EQUAL(hearken_stream_write(run.stream, samples, count / 3, NULL), 0);
    size_t finals = run.record.finals;
    run.record.cancels = run.stream;
    EXPECT_EQUAL(hearken_stream_write(run.stream, samples + count / 3, count / 3 * 2, NULL),
                 -ECANCELED);
    CU_ASSERT(finals >= 4 && run.record.finals == finals + 1);
    EXPECT_EQUAL(hearken_stream_finish(run.stream, NULL), -ECANCELED);
    CU_ASSERT(run.record.finals == finals + 1 && run.record.ends == 0);
    give_up(&run);
    free(samples);
}

/* From the callback: what is being written is not gone on with. */
static void test_cancelled_by_the_callback(void)
{
    struct run run;
    size_t count;
    float *samples = make_sound(18, 30, &count);
    begin(&run, recurrent_shape(2), stream_options_of());
    run.record.cancels = run.stream;
    EXPECT_EQUAL(hearken_stream_write(run.stream, samples, count, NULL), -ECANCELED);
    CU_ASSERT(run.record.finals == 1 && run.record.ends == 0);
    EXPECT_EQUAL(hearken_stream_finish(run.stream, NULL), -ECANCELED);
    CU_ASSERT(run.record.finals == 1 && run.record.ends == 0);
    give_up(&run);
    free(samples);
}

static void *cancel_soon(void *context)
{
    nanosleep(&(struct timespec){.tv_nsec = 30 * 1000 * 1000}, NULL);
    hearken_stream_cancel(context);
    return NULL;
}

/* Sound for minutes of work; the cancel comes from another thread. */
static void test_cancelled_by_another_thread(void)
{
    struct model_shape shape = recurrent_shape(2);
    shape.layers = 24;
    struct hearken_stream_options options = stream_options_of();
    struct run run;
    pthread_t thread;
    size_t count, written = 0;
    float *samples = make_sound(19, 60, &count);
    options.beam_width = 16;
    begin(&run, shape, options);
    EXPECT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_soon, run.stream), 0);
    int result = 0;
    while (result == 0 && written < 1000) {
        result = hearken_stream_write(run.stream, samples, count, NULL);
        written++;
    }
    EXPECT_EQUAL(result, -ECANCELED);
    EXPECT_EQUAL(hearken_stream_finish(run.stream, NULL), -ECANCELED);
    EXPECT_EQUAL(run.record.ends, 0);
    pthread_join(thread, NULL);
    give_up(&run);
    free(samples);
}

/* Streams that are given up at any point leave nothing behind: the leak check judges. */
static void destroy_early(struct model_shape shape, struct hearken_stream_options options)
{
    struct hearken_model *model = model_of(shape);
    size_t count;
    float *samples = make_sound(20, 20, &count);
    model->network->compute->host.threads = 3;
    for (size_t part = 0; part <= 4; part++) {
        struct record record;
        struct hearken_stream *stream = create(model, &options, &record);
        EXPECT_EQUAL(hearken_stream_write(stream, samples, count * part / 4, NULL), 0);
        EXPECT_EQUAL(record.ends, 0);
        hearken_stream_destroy(stream);
        finish_record(&record);
    }
    free(samples);
    hearken_model_destroy(model);
}

static void test_destroyed_early(void)
{
    struct hearken_stream_options options = stream_options_of();
    options.segment_seconds = 2;
    destroy_early(transformer_shape(2), options);
    options.partial_seconds = 0.5f;
    destroy_early(recurrent_shape(2), options);
}

void add_stream_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream", NULL, NULL);
    CU_ADD_TEST(suite, test_segments);
    CU_ADD_TEST(suite, test_segments_at_the_same_time);
    CU_ADD_TEST(suite, test_segment_threads_are_shared);
    CU_ADD_TEST(suite, test_few_positions);
    CU_ADD_TEST(suite, test_thresholds);
    CU_ADD_TEST(suite, test_loops);
    CU_ADD_TEST(suite, test_attention_is_a_limit_where_it_is_known);
    CU_ADD_TEST(suite, test_alignment_is_asked_for);
    CU_ADD_TEST(suite, test_many_streams_on_one_model);
    suite = CU_add_suite("stream input", NULL, NULL);
    CU_ADD_TEST(suite, test_pieces_of_any_size);
    CU_ADD_TEST(suite, test_rates);
    CU_ADD_TEST(suite, test_types);
    CU_ADD_TEST(suite, test_eight_bits);
    CU_ADD_TEST(suite, test_no_samples);
    CU_ADD_TEST(suite, test_silence);
    CU_ADD_TEST(suite, test_short_sound);
    suite = CU_add_suite("stream end", NULL, NULL);
    CU_ADD_TEST(suite, test_after_the_end);
    CU_ADD_TEST(suite, test_cancelled_before);
    CU_ADD_TEST(suite, test_cancelled_by_the_callback);
    CU_ADD_TEST(suite, test_cancelled_with_segments_at_work);
    CU_ADD_TEST(suite, test_cancelled_by_another_thread);
    CU_ADD_TEST(suite, test_destroyed_early);
}
