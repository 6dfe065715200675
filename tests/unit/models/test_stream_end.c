// SPDX-License-Identifier: MIT
/* How streams end. */
#include "tests/unit/common/event_record.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_stream_end_tests(void);

static void test_after_the_end(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    struct hearken_error error = {""};
    float sample = 0;
    struct hearken_stream *stream = create(model, &options, &record);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, &error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "finished"));
    CU_ASSERT_EQUAL(hearken_stream_write(stream, &sample, 1, &error), -EINVAL);
    CU_ASSERT_EQUAL(hearken_stream_write(stream, NULL, 0, NULL), -EINVAL);
    CU_ASSERT_EQUAL(record.ends, 1);
    hearken_stream_destroy(stream);
    finish_record(&record);
    hearken_model_destroy(model);
}

static void test_cancelled_before(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    struct hearken_error error = {""};
    float sample = 0;
    struct hearken_stream *stream = create(model, &options, &record);
    hearken_stream_cancel(stream);
    hearken_stream_cancel(stream);
    CU_ASSERT_EQUAL(hearken_stream_write(stream, &sample, 1, &error), -ECANCELED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "cancelled"));
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, &error), -ECANCELED);
    CU_ASSERT_EQUAL(record.text.length, 0);
    hearken_stream_destroy(stream);
    finish_record(&record);
    hearken_model_destroy(model);
}

/* From the callback: what is being written is not gone on with. */
static void test_cancelled_by_the_callback(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(18, 30, &count);
    struct hearken_stream *stream = create(model, &options, &record);
    record.cancels = stream;
    CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count, NULL), -ECANCELED);
    CU_ASSERT(record.finals == 1 && record.ends == 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), -ECANCELED);
    CU_ASSERT(record.finals == 1 && record.ends == 0);
    hearken_stream_destroy(stream);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
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
    struct hearken_model *model = model_of(shape);
    struct hearken_stream_options options = stream_options_of();
    struct record record;
    pthread_t thread;
    size_t count, written = 0;
    float *samples = make_sound(19, 60, &count);
    options.beam_width = 16;
    struct hearken_stream *stream = create(model, &options, &record);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_soon, stream), 0);
    int result = 0;
    while (result == 0 && written < 1000) {
        result = hearken_stream_write(stream, samples, count, NULL);
        written++;
    }
    CU_ASSERT_EQUAL(result, -ECANCELED);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), -ECANCELED);
    CU_ASSERT_EQUAL(record.ends, 0);
    pthread_join(thread, NULL);
    hearken_stream_destroy(stream);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Streams that are given up at any point leave nothing behind: the leak check judges. */
static void test_destroyed_early(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    struct hearken_stream_options options = stream_options_of();
    size_t count;
    float *samples = make_sound(20, 7, &count);
    options.partial_seconds = 0.5f;
    for (size_t part = 0; part <= 4; part++) {
        struct record record;
        struct hearken_stream *stream = create(model, &options, &record);
        CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count * part / 4, NULL), 0);
        CU_ASSERT_EQUAL(record.ends, 0);
        hearken_stream_destroy(stream);
        finish_record(&record);
    }
    free(samples);
    hearken_model_destroy(model);
}

void add_stream_end_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream end", NULL, NULL);
    CU_ADD_TEST(suite, test_after_the_end);
    CU_ADD_TEST(suite, test_cancelled_before);
    CU_ADD_TEST(suite, test_cancelled_by_the_callback);
    CU_ADD_TEST(suite, test_cancelled_by_another_thread);
    CU_ADD_TEST(suite, test_destroyed_early);
}
