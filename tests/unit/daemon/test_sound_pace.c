// SPDX-License-Identifier: MIT
/* What the pace of sound says of where it comes from, with a clock that the tests move by hand. */
#include "daemon/recognition/sound_pace.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>

void add_sound_pace_tests(void);

#define MILLI UINT64_C(1000000)

static struct sound_pace pace;
static uint64_t now;

static void begin(void)
{
    pace = (struct sound_pace){0};
    now = 77777 * MILLI;
}

/* `count` times `sound` milliseconds of sound, each `every` milliseconds. */
static void say(unsigned count, unsigned sound, unsigned every)
{
    for (unsigned i = 0; i < count; i++) {
        sound_pace_add(&pace, sound * 1e-3, now);
        now += every * MILLI;
    }
}

/* At any time between two pieces. */
static void test_spoken(void)
{
    begin();
    for (unsigned i = 0; i < 3000; i++) {
        say(1, 100, 100);
        CU_ASSERT_FALSE(pace.is_recording);
    }
    say(10, 1000, 1000); /* in large pieces */
    CU_ASSERT_FALSE(pace.is_recording);
}

static void test_recording(void)
{
    begin();
    say(1, 1100, 0); /* at once */
    CU_ASSERT_TRUE(pace.is_recording);
    begin();
    say(10, 100, 1);
    CU_ASSERT_FALSE(pace.is_recording);
    say(2, 100, 1);
    CU_ASSERT_TRUE(pace.is_recording);
    for (unsigned i = 0; i < 1000; i++) { /* half as fast again as speech */
        say(1, 150, 100);
        CU_ASSERT_TRUE(pace.is_recording);
    }
    begin();
    say(300, 1000, 10);
    now += 60000 * MILLI; /* it ends and another one comes, to the same end */
    say(13, 1000, 1);
    CU_ASSERT_TRUE(pace.is_recording);
}

/* What a delay has held back comes at once, and is still spoken; but not what a long one has. */
static void test_delays(void)
{
    begin();
    say(50, 100, 100);
    now += 4000 * MILLI;
    say(40, 100, 1);
    say(50, 100, 100);
    CU_ASSERT_FALSE(pace.is_recording);
    now += 3600000 * MILLI;
    say(120, 100, 1);
    CU_ASSERT_TRUE(pace.is_recording);
}

/* What was said before the connection was there, and then somebody who goes on speaking. */
static void test_calming_down(void)
{
    begin();
    say(80, 100, 1);
    CU_ASSERT_TRUE(pace.is_recording);
    say(45, 100, 100);
    CU_ASSERT_TRUE(pace.is_recording);
    say(10, 100, 100);
    CU_ASSERT_FALSE(pace.is_recording);
}

/* A recording that the daemon takes no faster than this is none the less one. */
static void test_held(void)
{
    begin();
    say(50, 100, 1);
    for (unsigned i = 0; i < 100; i++) {
        sound_pace_hold(&pace, now); /* the queue is full */
        now += 8000 * MILLI;
        sound_pace_hold(&pace, now); /* there is room */
        say(8, 100, 1);
        CU_ASSERT_TRUE(pace.is_recording);
    }
    begin();
    say(5, 100, 100);
    sound_pace_hold(&pace, now); /* by itself it says nothing */
    now += 8000 * MILLI;
    say(80, 100, 1);
    CU_ASSERT_FALSE(pace.is_recording);
}

void add_sound_pace_tests(void)
{
    CU_pSuite suite = CU_add_suite("pace of sound", NULL, NULL);
    CU_add_test(suite, "spoken", test_spoken);
    CU_add_test(suite, "recording", test_recording);
    CU_add_test(suite, "delays", test_delays);
    CU_add_test(suite, "calming down", test_calming_down);
    CU_add_test(suite, "held", test_held);
}
