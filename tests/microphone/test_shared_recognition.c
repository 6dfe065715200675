// SPDX-License-Identifier: MIT
/* One recognition that is begun again: at a reload, when it is too slow, when it was stopped. */
#include "tests/microphone/stage.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <string.h>

void add_shared_recognition_tests(void);

#define SECOND ((size_t)HEARKEN_RATE)

/* What the hearing tells. */
struct told {
    unsigned segments, ended, failed;
    const char *code;
    char problem[512];
};

static void on_segment(void *context, struct shared_recognition *hearing,
                       const struct heard_segment *segment)
{
    (void)hearing;
    (void)segment;
    ((struct told *)context)->segments++;
}

static void on_ended(void *context, struct shared_recognition *hearing)
{
    (void)hearing;
    ((struct told *)context)->ended++;
}

static void on_failed(void *context, struct shared_recognition *hearing, const char *code,
                      const char *problem)
{
    struct told *told = context;
    EXPECT_EQUAL(hearing->state, HEARING_IDLE);
    told->failed++;
    told->code = code;
    snprintf(told->problem, sizeof(told->problem), "%s", problem);
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

static struct shared_recognition *start(struct stage *stage, struct told *told, double time)
{
    const struct request_options options = plain_options();
    struct hearken_error error;
    struct shared_recognition *hearing =
        shared_recognition_create(&stage->service, &options, &listener, told);
    CU_ASSERT_PTR_NOT_NULL_FATAL(hearing);
    EXPECT_EQUAL(shared_recognition_start(hearing, time, &error), 0);
    return hearing;
}

static int hear(struct shared_recognition *hearing, size_t count, double time)
{
    static const float samples[4 * HEARKEN_RATE];
    CU_ASSERT_FATAL(count <= sizeof(samples) / sizeof(*samples));
    return shared_recognition_write(hearing, samples, count, time);
}

/* ---- After a reload ---- */

static void test_renewed_in_a_pause(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 10);
    request_hears_voice(only_request(), true, 10);
    stage_replace_model(stage, 0);
    shared_recognition_restart(hearing);
    CU_ASSERT_FALSE(only_request()->ended);
    request_hears(only_request(), "he speaks", 10, false);
    CU_ASSERT_FALSE(only_request()->ended);
    request_hears(only_request(), "he spoke", 10, true);
    CU_ASSERT_TRUE(only_request()->ended);
    EXPECT_EQUAL(hear(hearing, SECOND / 2, 12), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->model, &stage->models[1]);
    EXPECT_CLOSE(only_request()->options.origin, 12, 1e-9);
    EXPECT_EQUAL(only_request()->samples, SECOND / 2);
    EXPECT_EQUAL(told.segments, 3);
    EXPECT_EQUAL(told.failed, 0);
    shared_recognition_destroy(hearing);
    stage->service.models.list.entries[0].model = &stage->models[0];
    stage_destroy(stage);
}

/* The next request began at the time 0 then: who had come later was told nothing any more. */
static void test_renewed_between_two_sounds(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 10);
    EXPECT_EQUAL(hear(hearing, SECOND, 10), 0);
    stage_replace_model(stage, 0);
    shared_recognition_restart(hearing);
    CU_ASSERT_TRUE(only_request()->ended);
    request_finishes(only_request());
    EXPECT_CLOSE(only_request()->options.origin, 11, 1e-9);
    EXPECT_EQUAL(only_request()->samples, 0);
    shared_recognition_destroy(hearing);
    stage->service.models.list.entries[0].model = &stage->models[0];
    stage_destroy(stage);
}

static void test_the_same_model_goes_on(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 0);
    shared_recognition_restart(hearing);
    CU_ASSERT_FALSE(only_request()->ended);
    shared_recognition_destroy(hearing);
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    stage_destroy(stage);
}

/* ---- Too slow ---- */

static void test_cut_when_too_slow(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 0);
    EXPECT_EQUAL(hear(hearing, SECOND, 0), 0);
    only_request()->full = true;
    EXPECT_EQUAL(hear(hearing, SECOND, 1), 0);
    CU_ASSERT_TRUE(only_request()->ended);
    EXPECT_EQUAL(only_request()->samples, SECOND);
    EXPECT_EQUAL(hear(hearing, SECOND, 2), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->samples, 2 * SECOND);
    EXPECT_CLOSE(only_request()->options.origin, 1, 1e-9);
    shared_recognition_destroy(hearing);
    stage_destroy(stage);
}

/* What is kept has a limit too; beyond it the oldest is lost, and the times stay right. */
static void test_loss_when_far_too_slow(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    log_init(stage->service.log, HEARKEN_LOG_ERROR);
    stage->service.settings.audio_queue_kib = 256; /* 4.096 s */
    struct shared_recognition *hearing = start(stage, &told, 0);
    only_request()->full = true;
    for (unsigned second = 0; second < 6; second++)
        EXPECT_EQUAL(hear(hearing, SECOND, second), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(only_request()->samples, 2 * SECOND);
    EXPECT_CLOSE(only_request()->options.origin, 4, 1e-9);
    shared_recognition_destroy(hearing);
    stage_destroy(stage);
}

/* ---- Ending ---- */

static void test_sound_after_the_end_is_dropped(void)
{
    struct stage *stage = stage_create();
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 0);
    shared_recognition_end(hearing);
    shared_recognition_end(hearing);
    EXPECT_EQUAL(hear(hearing, SECOND, 0), 0);
    request_finishes(only_request());
    EXPECT_EQUAL(told.ended, 1);
    EXPECT_EQUAL(hearing->state, HEARING_IDLE);
    EXPECT_EQUAL(hear(hearing, SECOND, 1), 0);
    shared_recognition_end(hearing);
    EXPECT_EQUAL(told.ended, 1);
    EXPECT_EQUAL(fake_requests()->created, 1);
    shared_recognition_destroy(hearing);
    stage_destroy(stage);
}

static void test_failure_while_it_begins_again(void)
{
    struct stage *stage = stage_create();
    struct hearken_error error;
    struct told told = {0};
    struct shared_recognition *hearing = start(stage, &told, 0);
    shared_recognition_end(hearing);
    EXPECT_EQUAL(shared_recognition_start(hearing, 3, &error), 0);
    EXPECT_EQUAL(hear(hearing, SECOND, 3), 0);
    fake_requests()->no_memory = true;
    request_finishes(only_request());
    EXPECT_EQUAL(told.ended, 1);
    EXPECT_EQUAL(told.failed, 1);
    EXPECT_EQUAL_STRING(told.code, "out-of-memory");
    EXPECT_EQUAL_STRING(told.problem, "out of memory for a request");
    fake_requests()->no_memory = false;
    EXPECT_EQUAL(shared_recognition_start(hearing, 9, &error), 0); /* it can be used again */
    EXPECT_EQUAL(only_request()->samples, 0);
    EXPECT_CLOSE(only_request()->options.origin, 9, 1e-9);
    fake_requests()->no_room = true;
    shared_recognition_end(hearing);
    EXPECT_EQUAL(shared_recognition_start(hearing, 9, &error), 0);
    EXPECT_EQUAL(hear(hearing, SECOND, 9), 0);
    request_finishes(only_request());
    EXPECT_EQUAL_STRING(told.problem, "out of memory for sound");
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    shared_recognition_destroy(hearing);
    stage_destroy(stage);
}

static void test_errors_keep_their_reason(void)
{
    struct stage *stage = stage_create();
    struct request_options options = plain_options();
    struct hearken_error error;
    struct told told = {0};
    strcpy(options.model, "third");
    struct shared_recognition *hearing =
        shared_recognition_create(&stage->service, &options, &listener, &told);
    EXPECT_EQUAL(shared_recognition_start(hearing, 0, &error), -ENOENT);
    EXPECT_EQUAL_STRING(error.message, "model third is not in the configuration any more");
    EXPECT_EQUAL_STRING(hearing_error_code(-ENOENT), "unknown-model");
    EXPECT_EQUAL_STRING(hearing_error_code(-ENOMEM), "out-of-memory");
    EXPECT_EQUAL(hearing->state, HEARING_IDLE);
    shared_recognition_destroy(hearing);
    hearing = start(stage, &told, 0);
    request_fails(only_request(), "the file is broken");
    EXPECT_EQUAL_STRING(told.code, "recognition-failed");
    EXPECT_EQUAL_STRING(told.problem, "the file is broken");
    shared_recognition_destroy(hearing);
    stage_destroy(stage);
}

/* ---- Who shares ---- */

static void test_alike(void)
{
    struct request_options a = plain_options(), b = a;
    CU_ASSERT_TRUE(shared_recognition_matches(&a, &b));
    b.words = !b.words; /* only what is told of it */
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

/* The client's list may be gone before the hearing is. */
static void test_words_are_copied(void)
{
    struct stage *stage = stage_create();
    struct request_options options = plain_options();
    struct told told = {0};
    char words[] = "Oberon";
    options.stream.custom_words = words;
    struct shared_recognition *hearing =
        shared_recognition_create(&stage->service, &options, &listener, &told);
    memset(words, 'x', sizeof(words) - 1);
    EXPECT_EQUAL_STRING(hearing->options.stream.custom_words, "Oberon");
    shared_recognition_destroy(hearing);
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
