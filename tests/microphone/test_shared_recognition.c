// SPDX-License-Identifier: MIT
/* Restarts of one recognition: after a reload, an overload and a stop. */
#include "tests/microphone/stage.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <string.h>

void add_shared_recognition_tests(void);

#define SECOND ((size_t)HEARKEN_RATE)

/* Counts the calls of the recognition. */
struct calls {
    unsigned segments, ended, failed;
    const char *code;
    char problem[512];
};

static void on_segment(void *context, struct shared_recognition *recognition,
                       const struct segment_message *segment)
{
    (void)recognition;
    (void)segment;
    ((struct calls *)context)->segments++;
}

static void on_ended(void *context, struct shared_recognition *recognition)
{
    (void)recognition;
    ((struct calls *)context)->ended++;
}

static void on_failed(void *context, struct shared_recognition *recognition, const char *code,
                      const char *problem)
{
    struct calls *calls = context;
    EXPECT_EQUAL(recognition->state, RECOGNITION_IDLE);
    calls->failed++;
    calls->code = code;
    snprintf(calls->problem, sizeof(calls->problem), "%s", problem);
}

static const struct shared_recognition_listener listener = {
    .segment = on_segment,
    .ended = on_ended,
    .failed = on_failed,
};

static struct request_options plain_options(void)
{
    struct request_options options = {.segments = true};
    hearken_stream_options_init(&options.stream);
    return options;
}

static struct shared_recognition *start(struct stage *stage, struct calls *calls, double time)
{
    const struct request_options options = plain_options();
    struct hearken_error error;
    struct shared_recognition *recognition =
        shared_recognition_create(&stage->service, &options, &listener, calls);
    CU_ASSERT_PTR_NOT_NULL_FATAL(recognition);
    EXPECT_EQUAL(shared_recognition_start(recognition, time, &error), 0);
    return recognition;
}

static int hear(struct shared_recognition *recognition, size_t count, double time)
{
    static const float samples[4 * HEARKEN_RATE];
    CU_ASSERT_FATAL(count <= sizeof(samples) / sizeof(*samples));
    return shared_recognition_write(recognition, samples, count, time);
}

/* ---- After a reload ---- */

static void test_renewed_in_a_pause(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 10);
    request_reports_voice(only_request(), true, 10);
    stage_replace_model(stage, 0);
    shared_recognition_restart(recognition);
    CU_ASSERT_FALSE(only_request()->ended);
    request_reports(only_request(), "he speaks", 10, false);
    CU_ASSERT_FALSE(only_request()->ended);
    request_reports(only_request(), "he spoke", 10, true);
    CU_ASSERT_TRUE(only_request()->ended);
    EXPECT_EQUAL(hear(recognition, SECOND / 2, 12), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->model, &stage->models[1]);
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 12, 1e-9);
    EXPECT_EQUAL(only_request()->samples, SECOND / 2);
    EXPECT_EQUAL(calls.segments, 3);
    EXPECT_EQUAL(calls.failed, 0);
    shared_recognition_destroy(recognition);
    stage->service.models.list.entries[0].model = &stage->models[0];
    stage_destroy(stage);
}

/* The next request began at the time 0 then: later subscribers were sent no more segments. */
static void test_renewed_between_two_sounds(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 10);
    EXPECT_EQUAL(hear(recognition, SECOND, 10), 0);
    stage_replace_model(stage, 0);
    shared_recognition_restart(recognition);
    CU_ASSERT_TRUE(only_request()->ended);
    request_finishes(only_request());
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 11, 1e-9);
    EXPECT_EQUAL(only_request()->samples, 0);
    shared_recognition_destroy(recognition);
    stage->service.models.list.entries[0].model = &stage->models[0];
    stage_destroy(stage);
}

static void test_the_same_model_goes_on(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 0);
    shared_recognition_restart(recognition);
    CU_ASSERT_FALSE(only_request()->ended);
    shared_recognition_destroy(recognition);
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    stage_destroy(stage);
}

/* ---- Too slow ---- */

static void test_cut_when_too_slow(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 0);
    EXPECT_EQUAL(hear(recognition, SECOND, 0), 0);
    only_request()->full = true;
    EXPECT_EQUAL(hear(recognition, SECOND, 1), 0);
    CU_ASSERT_TRUE(only_request()->ended);
    EXPECT_EQUAL(only_request()->samples, SECOND);
    EXPECT_EQUAL(hear(recognition, SECOND, 2), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->samples, 2 * SECOND);
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 1, 1e-9);
    shared_recognition_destroy(recognition);
    stage_destroy(stage);
}

/* The backlog has a limit too: beyond it the oldest audio is dropped, and times stay right. */
static void test_loss_when_far_too_slow(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    log_init(stage->service.log, HEARKEN_LOG_ERROR);
    stage->service.settings.audio_queue_kib = 256; /* 4.096 s */
    struct shared_recognition *recognition = start(stage, &calls, 0);
    only_request()->full = true;
    for (unsigned second = 0; second < 6; second++)
        EXPECT_EQUAL(hear(recognition, SECOND, second), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->samples, 2 * SECOND);
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 4, 1e-9);
    shared_recognition_destroy(recognition);
    stage_destroy(stage);
}

/* ---- Ending ---- */

static void test_sound_after_the_end_is_dropped(void)
{
    struct stage *stage = stage_create();
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 0);
    shared_recognition_end(recognition);
    shared_recognition_end(recognition);
    EXPECT_EQUAL(hear(recognition, SECOND, 0), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(calls.ended, 1);
    EXPECT_EQUAL(recognition->state, RECOGNITION_IDLE);
    EXPECT_EQUAL(hear(recognition, SECOND, 1), 0);
    shared_recognition_end(recognition);
    EXPECT_EQUAL(calls.ended, 1);
    EXPECT_EQUAL(fake_requests()->created, 1);
    shared_recognition_destroy(recognition);
    stage_destroy(stage);
}

static void test_failure_while_it_begins_again(void)
{
    struct stage *stage = stage_create();
    struct hearken_error error;
    struct calls calls = {0};
    struct shared_recognition *recognition = start(stage, &calls, 0);
    shared_recognition_end(recognition);
    EXPECT_EQUAL(shared_recognition_start(recognition, 3, &error), 0);
    EXPECT_EQUAL(hear(recognition, SECOND, 3), 0);
    fake_requests()->no_memory = true;
    request_finishes(only_request());
    EXPECT_EQUAL(calls.ended, 1);
    EXPECT_EQUAL(calls.failed, 1);
    EXPECT_EQUAL_STRING(calls.code, "out-of-memory");
    EXPECT_EQUAL_STRING(calls.problem, "out of memory for a request");
    fake_requests()->no_memory = false;
    EXPECT_EQUAL(shared_recognition_start(recognition, 9, &error), 0); /* it can be used again */
    EXPECT_EQUAL(only_request()->samples, 0);
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 9, 1e-9);
    fake_requests()->no_room = true;
    shared_recognition_end(recognition);
    EXPECT_EQUAL(shared_recognition_start(recognition, 9, &error), 0);
    EXPECT_EQUAL(hear(recognition, SECOND, 9), 0);
    request_finishes(only_request());
    EXPECT_EQUAL_STRING(calls.problem, "out of memory for audio");
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    shared_recognition_destroy(recognition);
    stage_destroy(stage);
}

static void test_errors_keep_their_reason(void)
{
    struct stage *stage = stage_create();
    struct request_options options = plain_options();
    struct hearken_error error;
    struct calls calls = {0};
    strcpy(options.model, "third");
    struct shared_recognition *recognition =
        shared_recognition_create(&stage->service, &options, &listener, &calls);
    EXPECT_EQUAL(shared_recognition_start(recognition, 0, &error), -ENOENT);
    EXPECT_EQUAL_STRING(error.message, "model third is no longer configured");
    EXPECT_EQUAL_STRING(shared_recognition_error_code(-ENOENT), "unknown-model");
    EXPECT_EQUAL_STRING(shared_recognition_error_code(-ENOMEM), "out-of-memory");
    EXPECT_EQUAL(recognition->state, RECOGNITION_IDLE);
    shared_recognition_destroy(recognition);
    recognition = start(stage, &calls, 0);
    request_fails(only_request(), "the file is broken");
    EXPECT_EQUAL_STRING(calls.code, "recognition-failed");
    EXPECT_EQUAL_STRING(calls.problem, "the file is broken");
    shared_recognition_destroy(recognition);
    stage_destroy(stage);
}

/* ---- Who shares ---- */

static void test_alike(void)
{
    struct request_options a = plain_options(), b = a;
    CU_ASSERT_TRUE(shared_recognition_matches(&a, &b));
    b.words = !b.words; /* affects only what is sent */
    CU_ASSERT_TRUE(shared_recognition_matches(&a, &b));
    b.stream.beam_width++;
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    b = a;
    strcpy(b.stream.language, "de");
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    b = a;
    strcpy(b.stream.prompt, "hm");
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    b = a;
    b.stream.alignment = true;
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    b = a;
    strcpy(b.model, "second");
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    b = a;
    b.stream.custom_words = "Oberon";
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    a.stream.custom_words = "Puck";
    CU_ASSERT_FALSE(shared_recognition_matches(&a, &b));
    char same[] = "Oberon";
    a.stream.custom_words = same;
    CU_ASSERT_TRUE(shared_recognition_matches(&a, &b));
}

/* The client's list may be gone before the recognition is. */
static void test_words_are_copied(void)
{
    struct stage *stage = stage_create();
    struct request_options options = plain_options();
    struct calls calls = {0};
    char custom_words[] = "Oberon";
    options.stream.custom_words = custom_words;
    struct shared_recognition *recognition =
        shared_recognition_create(&stage->service, &options, &listener, &calls);
    memset(custom_words, 'x', sizeof(custom_words) - 1);
    EXPECT_EQUAL_STRING(recognition->options.stream.custom_words, "Oberon");
    shared_recognition_destroy(recognition);
    shared_recognition_destroy(NULL);
    stage_destroy(stage);
}

void add_shared_recognition_tests(void)
{
    CU_pSuite suite = CU_add_suite("hearing", NULL, NULL);
    CU_ADD_TEST(suite, test_renewed_in_a_pause);
    CU_ADD_TEST(suite, test_renewed_between_two_sounds);
    CU_ADD_TEST(suite, test_the_same_model_goes_on);
    CU_ADD_TEST(suite, test_cut_when_too_slow);
    CU_ADD_TEST(suite, test_loss_when_far_too_slow);
    CU_ADD_TEST(suite, test_sound_after_the_end_is_dropped);
    CU_ADD_TEST(suite, test_failure_while_it_begins_again);
    CU_ADD_TEST(suite, test_errors_keep_their_reason);
    CU_ADD_TEST(suite, test_alike);
    CU_ADD_TEST(suite, test_words_are_copied);
}
