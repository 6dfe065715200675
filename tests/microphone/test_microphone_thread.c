// SPDX-License-Identifier: MIT
/* When the hub opens and closes the microphone, and what it does if that fails. */
#include "tests/microphone/stage.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>

void add_microphone_thread_tests(void);

#define STARTED "started mic \n"

static void switch_to(struct stage *stage, enum microphone_hub_switch action)
{
    bool listening;
    microphone_hub_switch(stage->service.hub, action, &listening);
    stage_turn(stage);
}

static void end_all(struct stage *stage)
{
    microphone_hub_drain(stage->service.hub);
    for (unsigned i = 0; i < FAKE_REQUESTS; i++)
        if (fake_requests()->all[i])
            request_finishes(fake_requests()->all[i]);
    stage_turn(stage);
}

/* ---- When it is open ---- */

static void test_release_when_idle(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    stage->service.settings.capture_release = CAPTURE_WHEN_IDLE;
    client_join(&a, stage, true);
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    stage_destroy(stage);
}

static void test_release_when_held(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    stage->service.settings.capture_release = CAPTURE_WHEN_HELD;
    client_join(&a, stage, true);
    EXPECT_EQUAL(fake_microphone()->opened, 0);
    switch_to(stage, HUB_START);
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    switch_to(stage, HUB_STOP);
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    switch_to(stage, HUB_START); /* before it is closed */
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    microphone_closes(NULL);
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->opened, 2);
    end_all(stage);
    stage_destroy(stage);
}

static void test_release_never(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    stage->service.settings.capture_release = CAPTURE_NEVER;
    client_join(&a, stage, true);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->close_calls, 0);
    microphone_closes("it broke");
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->opened, 1); /* nobody needs it */
    EXPECT_EQUAL(stage_retry(stage), 0);
    stage_destroy(stage);
}

static void test_reload_with_another_microphone(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_hub_reload(stage->service.hub);
    EXPECT_EQUAL(fake_microphone()->close_calls, 0);
    fake_microphone()->differs = true;
    microphone_hub_reload(stage->service.hub);
    microphone_hub_reload(stage->service.hub); /* while it closes */
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    microphone_closes(NULL);
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->opened, 2);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    client_was_told(&a, STARTED);
    end_all(stage);
    stage_destroy(stage);
}

/* A drain while the microphone is being opened. */
static void test_drain_while_it_opens(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    stage->service.draining = true;
    end_all(stage);
    client_was_told(&a, "over\n");
    EXPECT_EQUAL(fake_microphone()->close_calls, 1);
    CU_ASSERT_TRUE(microphone_hub_is_busy(stage->service.hub));
    microphone_closes(NULL);
    stage_turn(stage);
    CU_ASSERT_FALSE(microphone_hub_is_busy(stage->service.hub));
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    stage_destroy(stage);
}

/* ---- Failures ---- */

/* Ends a new subscription. */
static void test_no_microphone(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_closes("there is no such device");
    stage_turn(stage);
    client_was_told(&a, "over no-microphone: there is no such device\n");
    EXPECT_EQUAL(stage_retry(stage), 0);
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    EXPECT_EQUAL(fake_requests()->abandoned, 1);
    fake_microphone()->refuses = -EMFILE; /* the thread cannot be created */
    client_join(&a, stage, false);
    client_was_told(&a, "over no-microphone: too many open files\n");
    CU_ASSERT_FALSE(microphone_hub_is_busy(stage->service.hub));
    stage_destroy(stage);
}

/* A paused subscriber stays subscribed. */
static void test_no_microphone_on_hold(void)
{
    struct stage *stage = stage_create();
    struct client a = {0}, b = {0};
    stage->service.settings.capture_release = CAPTURE_WHEN_HELD;
    client_join(&a, stage, true);
    switch_to(stage, HUB_START);
    client_was_told(&a, "hearing heard\n");
    microphone_closes("there is no such device");
    client_was_told(&a, "lost default there is no such device\n");
    stage_turn(stage);
    EXPECT_EQUAL(a.ended_calls, 0);
    client_join(&b, stage, true); /* causes an attempt at once */
    client_was_told(&b, "lost default there is no such device\n");
    EXPECT_EQUAL(fake_microphone()->opened, 2);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    client_was_told(&a, STARTED);
    end_all(stage);
    stage_destroy(stage);
}

static void fails_again(struct stage *stage, uint64_t expected)
{
    uint64_t due = stage_retry(stage);
    CU_ASSERT(due > expected - 500 && due <= expected);
    unsigned opened = fake_microphone()->opened;
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->opened, opened); /* not earlier */
    stage_retry_now(stage);
    EXPECT_EQUAL(fake_microphone()->opened, opened + 1);
}

/* Notified once; the attempts become less frequent. */
static void test_trying_again(void)
{
    static const unsigned pauses[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    for (unsigned i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
        if (fake_microphone()->is_open)
            microphone_closes("it broke");
        fake_microphone()->refuses = i % 2 ? -EAGAIN : 0;
        stage_turn(stage);
        fails_again(stage, pauses[i]);
    }
    client_was_told(&a, STARTED "lost default it broke\n");
    fake_microphone()->refuses = 0;
    stage_retry_now(stage);
    CU_ASSERT_PTR_NULL(microphone_hub_device(stage->service.hub));
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    client_was_told(&a, STARTED);
    EXPECT_EQUAL(stage_retry(stage), 0);
    microphone_closes("it broke again");
    stage_turn(stage);
    client_was_told(&a, "lost default it broke again\n");
    fails_again(stage, 1000);
    end_all(stage);
    stage_destroy(stage);
}

static void test_nobody_waits_for_it(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    microphone_closes("it broke");
    stage_turn(stage);
    CU_ASSERT(stage_retry(stage) > 0);
    microphone_hub_remove(stage->service.hub, &a.subscriber);
    stage_turn(stage);
    EXPECT_EQUAL(stage_retry(stage), 0);
    EXPECT_EQUAL(fake_microphone()->opened, 1);
    stage_destroy(stage);
}

static void test_reload_tries_at_once(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    microphone_closes("it broke");
    stage_turn(stage);
    microphone_hub_reload(stage->service.hub);
    stage_turn(stage);
    EXPECT_EQUAL(fake_microphone()->opened, 2);
    end_all(stage);
    stage_destroy(stage);
}

static void test_drain_without_it(void)
{
    struct stage *stage = stage_create();
    struct client a = {0};
    client_join(&a, stage, false);
    microphone_reports(HEARKEN_CAPTURE_STARTED);
    microphone_closes("it broke");
    stage_turn(stage);
    stage->service.draining = true;
    end_all(stage);
    client_was_told(&a, STARTED "lost default it broke\nover\n");
    EXPECT_EQUAL(stage_retry(stage), 0);
    CU_ASSERT_FALSE(microphone_hub_is_busy(stage->service.hub));
    stage_destroy(stage);
}

void add_microphone_thread_tests(void)
{
    CU_pSuite suite = CU_add_suite("microphone", NULL, NULL);
    CU_ADD_TEST(suite, test_release_when_idle);
    CU_ADD_TEST(suite, test_release_when_held);
    CU_ADD_TEST(suite, test_release_never);
    CU_ADD_TEST(suite, test_reload_with_another_microphone);
    CU_ADD_TEST(suite, test_drain_while_it_opens);
    CU_ADD_TEST(suite, test_no_microphone);
    CU_ADD_TEST(suite, test_no_microphone_on_hold);
    CU_ADD_TEST(suite, test_trying_again);
    CU_ADD_TEST(suite, test_nobody_waits_for_it);
    CU_ADD_TEST(suite, test_reload_tries_at_once);
    CU_ADD_TEST(suite, test_drain_without_it);
}
