// SPDX-License-Identifier: MIT
/* Streams: segments, what is not believed, alignment, threads. */
#include "tests/unit/common/event_record.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        CU_ASSERT_EQUAL(record.first_start, 0);
        CU_ASSERT_EQUAL(record.last_end, 40);
        CU_ASSERT_EQUAL(record.end_time, 40);
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
        CU_ASSERT_EQUAL(record.end_time, 1);
        CU_ASSERT(record.longest <= 0.02 * positions);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
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
    CU_ASSERT_EQUAL(record.finals, 0);
    CU_ASSERT_EQUAL(record.end_time, 20);
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
        CU_ASSERT_EQUAL_FATAL(
            hearken_stream_create(model, &options, check_alignment, &expectation, &stream, NULL),
            0);
        CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
        CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
        CU_ASSERT(expectation.events >= 2);
        CU_ASSERT_EQUAL(expectation.right, expectation.events);
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
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
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

void add_stream_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream", NULL, NULL);
    CU_ADD_TEST(suite, test_segments);
    CU_ADD_TEST(suite, test_few_positions);
    CU_ADD_TEST(suite, test_thresholds);
    CU_ADD_TEST(suite, test_loops);
    CU_ADD_TEST(suite, test_attention_is_a_limit_where_it_is_known);
    CU_ADD_TEST(suite, test_alignment_is_asked_for);
    CU_ADD_TEST(suite, test_many_streams_on_one_model);
}
