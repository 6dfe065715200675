// SPDX-License-Identifier: MIT
/* Joining, leaving, starting and stopping, and how subscriptions end. */
#include "tests/microphone/stage.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <string.h>

void add_microphone_hub_tests(void);

/* The capture event that all subscribers get. */
#define STARTED "started mic \n"

static void choose_second_model(struct client *client)
{
    strcpy(client->transcribe.options.model, "second");
}

/* The microphone has started, and the client's journal is empty. */
static void join_and_hear(struct client *client, struct stage *stage)
{
    client_join(client, stage, false);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    client_was_told(client, STARTED);
}

static bool toggle(struct stage *stage, enum microphone_hub_switch action, unsigned listeners)
{
    bool listening;
    EXPECT_EQUAL(microphone_hub_switch(stage->service.hub, action, &listening), listeners);
    return listening;
}

/* ---- Joining and leaving ---- */

static void test_shared_recognition(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0}, c = {0};
    client_init(&c, stage);
    c.transcribe.options.stream.beam_width = 1;
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    EXPECT_EQUAL(a.subscriber.recognition, b.subscriber.recognition);
    EXPECT_EQUAL(fake_requests()->created, 1);
    client_join(&c, stage, false);
    EXPECT_NOT_EQUAL(a.subscriber.recognition, c.subscriber.recognition);
    EXPECT_EQUAL(fake_requests()->created, 2);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 3);
    EXPECT_EQUAL_STRING(microphone_hub_device(stage->service.hub), "mic");
    microphone_hub_remove(stage->service.hub, &c.subscriber);
    stage_turn(stage);
    request_reports(only_request(), "one", 1, true);
    client_was_told(&a, "final one\n");
    client_was_told(&b, STARTED "final one\n");
    client_was_told(&c, STARTED);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    microphone_hub_remove(stage->service.hub, &b.subscriber);
    stage_turn(stage);
    EXPECT_EQUAL(fake_requests()->abandoned, 2);
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    CU_ASSERT_TRUE(microphone_hub_is_busy(stage->service.hub));
    microphone_closes(NULL);
    CU_ASSERT_FALSE(microphone_hub_is_busy(stage->service.hub));
    stage_destroy(stage);
}

/* Would put one node into the list twice. */
static void test_no_joining_twice(void)
{
    struct stage *stage = stage_create();
    struct hearken_error error;
    struct client a = {0};
    client_join(&a, stage, false);
    EXPECT_EQUAL(microphone_hub_join(stage->service.hub, &a.subscriber, &error), -EALREADY);
    EXPECT_EQUAL_STRING(error.message, "this client already listens to the microphone");
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 1);
    microphone_hub_leave(stage->service.hub, &a.subscriber);
    request_finishes(only_request());
    EXPECT_EQUAL(microphone_hub_join(stage->service.hub, &a.subscriber, &error), -EALREADY);
    stage_turn(stage);
    client_was_told(&a, "over\n");
    client_join(&a, stage, false);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    stage_destroy(stage);
}

static void test_leaving(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    request_reports(only_request(), "one two", 1, false);
    microphone_hub_leave(stage->service.hub, &b.subscriber);
    EXPECT_EQUAL(b.ended_calls, 0); /* not from within */
    stage_turn(stage);
    client_was_told(&b, STARTED "partial one two\nfinal one two\nover\n");
    CU_ASSERT_FALSE(only_request()->ended);
    microphone_hub_leave(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    CU_ASSERT_TRUE(only_request()->ended);
    client_was_told(&a, "partial one two\n");
    request_reports(only_request(), "one two three", 1, true);
    request_finishes(only_request());
    stage_turn(stage);
    client_was_told(&a, "final one two three\nover\n");
    EXPECT_EQUAL(a.ended_calls, 1);
    EXPECT_EQUAL(b.ended_calls, 1);
    stage_destroy(stage);
}

/* A subscriber does not get a segment that began before it joined. */
static void test_coming_while_somebody_speaks(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    for (int second = 0; second < 5; second++)
        microphone_captures(HEARKEN_RATE);
    client_join(&b, stage, false);
    request_reports(only_request(), "early", 2, true);
    request_reports(only_request(), "late", 5, true);
    client_was_told(&a, "final early\nfinal late\n");
    client_was_told(&b, STARTED "final late\n");
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    microphone_hub_remove(stage->service.hub, &b.subscriber);
    stage_turn(stage);
    stage_destroy(stage);
}

static void test_level(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0}, c = {0};
    client_init(&b, stage);
    client_init(&c, stage);
    b.transcribe.meter = c.transcribe.meter = true;
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    client_join(&c, stage, true);
    microphone_captures(HEARKEN_RATE / 20);
    client_was_told(&b, STARTED);
    microphone_captures(HEARKEN_RATE / 20);
    client_was_told(&a, "");
    client_was_told(&b, "hearken-level\n");
    client_was_told(&c, STARTED); /* held */
    microphone_hub_drain(stage->service.hub);
    request_finishes(only_request());
    stage_turn(stage);
    stage_destroy(stage);
}

/* ---- Start and stop ---- */

static void test_switching(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, true);
    CU_ASSERT_FALSE(toggle(stage, HUB_TOGGLE, 2));
    CU_ASSERT_TRUE(only_request()->ended);
    client_was_told(&a, "");
    request_finishes(only_request());
    client_was_told(&a, "hearing held\n");
    CU_ASSERT_TRUE(toggle(stage, HUB_TOGGLE, 2));
    client_was_told(&a, "hearing heard\n");
    client_was_told(&b, STARTED "hearing heard\n");
    stage_turn(stage);
    EXPECT_EQUAL(fake_requests()->created, 2);
    microphone_hub_drain(stage->service.hub);
    request_finishes(only_request());
    stage_turn(stage);
    client_was_told(&a, "over\n");
    client_was_told(&b, "over\n");
    stage_destroy(stage);
}

/* Audio captured while the last request ends belongs to the next one. */
static void test_start_before_the_end(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    join_and_hear(&a, stage);
    microphone_captures(HEARKEN_RATE);
    CU_ASSERT_FALSE(toggle(stage, HUB_STOP, 1));
    microphone_captures(HEARKEN_RATE / 2);
    CU_ASSERT_TRUE(toggle(stage, HUB_START, 1));
    microphone_captures(HEARKEN_RATE / 4);
    request_finishes(only_request());
    client_was_told(&a, "");
    EXPECT_EQUAL(only_request()->samples, HEARKEN_RATE / 4);
    CU_ASSERT_DOUBLE_EQUAL(only_request()->options.origin, 1.5, 1e-9);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    stage_destroy(stage);
}

static void test_stopping_twice_and_starting(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    toggle(stage, HUB_STOP, 1);
    client_join(&b, stage, false); /* which restarts the recognition */
    microphone_captures(1000);
    toggle(stage, HUB_STOP, 2);
    request_finishes(only_request());
    client_was_told(&a, "");
    CU_ASSERT_TRUE(only_request()->ended);
    EXPECT_EQUAL(only_request()->samples, 1000);
    request_finishes(only_request());
    client_was_told(&a, "hearing held\n");
    client_was_told(&b, STARTED "hearing held\n");
    microphone_hub_drain(stage->service.hub);
    stage_turn(stage);
    EXPECT_EQUAL(a.ended_calls + b.ended_calls, 2);
    stage_destroy(stage);
}

/* ---- A model that was removed ---- */

/* Regression: the list was linked to itself, and the daemon hung. */
static void test_model_is_gone_at_start(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    stage->service.settings.capture_release = CAPTURE_WHEN_HELD;
    client_init(&a, stage);
    choose_second_model(&a);
    client_join(&a, stage, true);
    client_join(&b, stage, true);
    stage_remove_second_model(stage);
    CU_ASSERT_TRUE(toggle(stage, HUB_START, 1));
    client_was_told(&a, ""); /* not from within */
    stage_turn(stage);
    client_was_told(&a, "over unknown-model: model second is no longer configured\n");
    client_was_told(&b, "hearing heard\n");
    *a.transcribe.options.model = '\0';
    client_join(&a, stage, true);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 2);
    microphone_hub_drain(stage->service.hub);
    request_finishes(only_request());
    stage_turn(stage);
    EXPECT_EQUAL(a.ended_calls, 2);
    EXPECT_EQUAL(b.ended_calls, 1);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 0);
    stage_destroy(stage);
}

static void test_model_is_gone_at_reload(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    client_init(&a, stage);
    choose_second_model(&a);
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    stage_remove_second_model(stage);
    struct request *first = fake_requests()->all[0];
    CU_ASSERT_TRUE(first->ended);
    request_reports(first, "last words", 0, true);
    request_finishes(first);
    stage_turn(stage);
    client_was_told(&a, "final last words\n"
                        "over unknown-model: model second is no longer configured\n");
    client_was_told(&b, STARTED);
    microphone_hub_remove(stage->service.hub, &b.subscriber);
    stage_turn(stage);
    stage_destroy(stage);
}

/* A subscriber that leaves ends normally; the failure concerns only the one that stays. */
static void test_model_is_gone_for_who_goes_on(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    client_init(&a, stage);
    client_init(&b, stage);
    choose_second_model(&a);
    choose_second_model(&b);
    join_and_hear(&a, stage);
    microphone_hub_leave(stage->service.hub, &a.subscriber);
    client_join(&b, stage, false);
    stage_remove_second_model(stage);
    request_finishes(only_request());
    stage_turn(stage);
    client_was_told(&a, "over\n");
    client_was_told(&b, STARTED "over unknown-model: model second is no longer configured\n");
    stage_destroy(stage);
}

/* ---- Failures ---- */

static void test_no_memory(void)
{
    struct stage *stage = stage_create();
    struct hearken_error error;
    struct client a = {0}, b = {0};
    fake_requests()->no_memory = true;
    client_init(&a, stage);
    EXPECT_EQUAL(microphone_hub_join(stage->service.hub, &a.subscriber, &error), -ENOMEM);
    EXPECT_EQUAL_STRING(error.message, "out of memory for a request");
    client_was_told(&a, "");
    client_join(&a, stage, true);
    toggle(stage, HUB_START, 0);
    stage_turn(stage);
    client_was_told(&a, "over out-of-memory: out of memory for a request\n");
    fake_requests()->no_memory = false;
    join_and_hear(&b, stage);
    fake_requests()->no_room = true;
    microphone_captures(100);
    stage_turn(stage);
    client_was_told(&b, "over out-of-memory: out of memory for audio\n");
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    stage_destroy(stage);
}

static void test_recognition_fails(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    request_fails(only_request(), "the device is lost");
    stage_turn(stage);
    client_was_told(&a, "over recognition-failed: the device is lost\n");
    client_was_told(&b, STARTED "over recognition-failed: the device is lost\n");
    stage_destroy(stage);
}

/* ---- What clients do in `ended` ---- */

static void join_again(struct client *client)
{
    struct hearken_error error;
    client->at_end = NULL;
    *client->transcribe.options.model = '\0';
    EXPECT_EQUAL(microphone_hub_join(client->hub, &client->subscriber, &error), 0);
}

static void forget_other(struct client *client)
{
    microphone_hub_remove(client->hub, &client->other->subscriber);
}

static void start_others(struct client *client)
{
    bool listening;
    microphone_hub_switch(client->hub, HUB_START, &listening);
}

static void test_joining_as_it_is_over(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    a.at_end = b.at_end = join_again;
    request_fails(only_request(), "no");
    stage_turn(stage);
    client_was_told(&a, "over recognition-failed: no\nlistening heard\n" STARTED);
    client_was_told(&b, STARTED "over recognition-failed: no\nlistening heard\n" STARTED);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 2);
    EXPECT_EQUAL(fake_microphone()->close_calls, 0); /* it was needed all the time */
    microphone_hub_drain(stage->service.hub);
    request_finishes(only_request());
    stage_turn(stage);
    stage_destroy(stage);
}

/* The first one notified removes the other, which is then not notified. */
static void test_going_as_it_is_over(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, false);
    a.at_end = b.at_end = forget_other;
    a.other = &b;
    b.other = &a;
    request_fails(only_request(), "no");
    stage_turn(stage);
    EXPECT_EQUAL(a.ended_calls + b.ended_calls, 1);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 0);
    stage_destroy(stage);
}

static void test_starting_as_it_is_over(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0}, c = {0};
    for (struct client *client = &a; client; client = client == &a ? &b : NULL) {
        client_init(client, stage);
        choose_second_model(client);
    }
    client_join(&a, stage, true);
    client_join(&b, stage, true);
    client_join(&c, stage, true);
    stage_remove_second_model(stage);
    a.at_end = b.at_end = start_others;
    toggle(stage, HUB_START, 1);
    stage_turn(stage);
    EXPECT_EQUAL(a.ended_calls, 1);
    EXPECT_EQUAL(b.ended_calls, 1);
    client_was_told(&c, "hearing heard\n");
    microphone_hub_remove(stage->service.hub, &c.subscriber);
    stage_turn(stage);
    stage_destroy(stage);
}

/* A subscriber that was removed before its notification must not be accessed. */
static void test_gone_before_it_is_told(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    join_and_hear(&a, stage);
    request_fails(only_request(), "no");
    microphone_hub_leave(stage->service.hub, &a.subscriber); /* too late for that */
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    memset(&a.subscriber, 0xff, sizeof(a.subscriber));
    stage_turn(stage);
    client_was_told(&a, "");
    stage_destroy(stage);
}

static void test_leaving_as_it_fails(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    join_and_hear(&a, stage);
    request_fails(only_request(), "no");
    microphone_hub_leave(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    client_was_told(&a, "over recognition-failed: no\n");
    stage_destroy(stage);
}

/* ---- Drain ---- */

static void test_drain(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0}, c = {0};
    join_and_hear(&a, stage);
    client_join(&b, stage, true);
    client_init(&c, stage);
    c.transcribe.options.stream.beam_width = 2;
    client_join(&c, stage, false);
    stage->service.draining = true;
    microphone_hub_drain(stage->service.hub);
    stage_turn(stage);
    client_was_told(&b, STARTED "over\n");
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    microphone_closes(NULL);
    toggle(stage, HUB_START, 0);
    for (int i = 0; i < 2; i++) {
        struct request *request = fake_requests()->all[i];
        CU_ASSERT_TRUE(request->ended);
        request_reports(request, "last words", 1, true);
        request_finishes(request);
    }
    stage_turn(stage);
    client_was_told(&a, "final last words\nover\n");
    client_was_told(&c, STARTED "final last words\nover\n");
    CU_ASSERT_FALSE(microphone_hub_is_busy(stage->service.hub));
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    stage_destroy(stage);
}

void add_microphone_hub_tests(void)
{
    CU_pSuite suite = CU_add_suite("listening", NULL, NULL);
    CU_ADD_TEST(suite, test_shared_recognition);
    CU_ADD_TEST(suite, test_no_joining_twice);
    CU_ADD_TEST(suite, test_leaving);
    CU_ADD_TEST(suite, test_coming_while_somebody_speaks);
    CU_ADD_TEST(suite, test_level);
    CU_ADD_TEST(suite, test_switching);
    CU_ADD_TEST(suite, test_start_before_the_end);
    CU_ADD_TEST(suite, test_stopping_twice_and_starting);
    CU_ADD_TEST(suite, test_model_is_gone_at_start);
    CU_ADD_TEST(suite, test_model_is_gone_at_reload);
    CU_ADD_TEST(suite, test_model_is_gone_for_who_goes_on);
    CU_ADD_TEST(suite, test_no_memory);
    CU_ADD_TEST(suite, test_recognition_fails);
    CU_ADD_TEST(suite, test_joining_as_it_is_over);
    CU_ADD_TEST(suite, test_going_as_it_is_over);
    CU_ADD_TEST(suite, test_starting_as_it_is_over);
    CU_ADD_TEST(suite, test_gone_before_it_is_told);
    CU_ADD_TEST(suite, test_leaving_as_it_fails);
    CU_ADD_TEST(suite, test_drain);
}
