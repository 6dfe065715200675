// SPDX-License-Identifier: MIT
#include "models/stream/partial_schedule.h"

#include <CUnit/Basic.h>
#include <math.h>

void add_partial_schedule_tests(void);

#define PIECE 0.02 /* seconds */

/*
 * Feeds `seconds` of sound in pieces; each pass takes `cost` seconds of work. If `live`, the stream
 * waits when it is idle. `longest`: the longest interval between passes.
 */
static void run(struct partial_schedule *schedule, double seconds, double cost, bool live,
                double *longest)
{
    double clock = 0, last = 0;
    *longest = 0;
    for (double at = PIECE; at < seconds + PIECE / 2; at += PIECE) {
        if (live && clock < at) {
            partial_schedule_add_idle(schedule, at - clock);
            clock = at;
        }
        partial_schedule_add_audio(schedule, PIECE);
        if (!partial_schedule_is_due(schedule))
            continue;
        clock += cost;
        partial_schedule_add_pass(schedule, cost);
        *longest = fmax(*longest, at - last);
        last = at;
    }
}

static void test_never(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0, 0.5);
    run(&schedule, 10, 0.01, true, &longest);
    CU_ASSERT(schedule.passes == 0 && schedule.skipped == 0);
}

/* A file, or share 0: passes at the same times whatever they cost. */
static void test_by_sound_alone(void)
{
    for (double cost = 0.001; cost < 3; cost *= 3)
        for (int live = 0; live < 2; live++) {
            struct partial_schedule schedule;
            double longest;
            partial_schedule_init(&schedule, 0.64, live ? 0 : 0.5);
            run(&schedule, 32, cost, live, &longest);
            CU_ASSERT_EQUAL(schedule.passes, 50);
            CU_ASSERT_EQUAL(schedule.skipped, 0);
            CU_ASSERT_DOUBLE_EQUAL(longest, 0.64, 1e-6);
        }
}

/* Live: as often as the share allows, but at most every 0.16 s where passes are cheap. */
static void test_as_often_as_is_affordable(void)
{
    static const double costs[] = {0.001, 0.05, 0.1, 0.2, 0.3};
    for (int i = 0; i < 5; i++) {
        struct partial_schedule schedule;
        double longest;
        partial_schedule_init(&schedule, 0.64, 0.5);
        run(&schedule, 100, costs[i], true, &longest);
        double every = fmax(0.16, 2 * costs[i]);
        CU_ASSERT_DOUBLE_EQUAL((double)schedule.passes, 100 / every, 0.12 * 100 / every + 1);
        CU_ASSERT_DOUBLE_EQUAL(schedule.spent, (double)schedule.passes * costs[i], 1e-6);
        CU_ASSERT(schedule.spent <= 0.5 * 100 + costs[i]);
        CU_ASSERT(longest <= 0.64 + 1e-6);
        CU_ASSERT_EQUAL(schedule.skipped, 0);
    }
}

/* Above the share, but faster than real time: at the maximum interval. */
static void test_never_later_than_asked_for(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0.64, 0.5);
    run(&schedule, 64, 0.55, true, &longest);
    CU_ASSERT_EQUAL(schedule.passes, 100);
    CU_ASSERT_DOUBLE_EQUAL(longest, 0.64, 1e-6);
    CU_ASSERT_EQUAL(schedule.skipped, 0);
}

/* A pass slower than its sound: the stream would fall behind for ever. */
static void test_what_is_not_affordable_is_skipped(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0.64, 0.5);
    for (int i = 0; i < 100; i++) { /* silence so far: it has waited */
        partial_schedule_add_idle(&schedule, PIECE);
        partial_schedule_add_audio(&schedule, PIECE);
    }
    partial_schedule_begin_segment(&schedule, 0);
    run(&schedule, 14, 1, true, &longest);
    CU_ASSERT(schedule.skipped >= 10);
    CU_ASSERT(schedule.passes >= 13 && schedule.passes <= 15);
    CU_ASSERT(longest <= 1 + PIECE + 1e-6);
    /* A segment later it is tried again. */
    uint64_t passes = schedule.passes;
    partial_schedule_begin_segment(&schedule, 0);
    run(&schedule, 0.7, 0.01, true, &longest);
    CU_ASSERT(schedule.passes > passes);
}

void add_partial_schedule_tests(void)
{
    CU_pSuite suite = CU_add_suite("pace", NULL, NULL);
    CU_ADD_TEST(suite, test_never);
    CU_ADD_TEST(suite, test_by_sound_alone);
    CU_ADD_TEST(suite, test_as_often_as_is_affordable);
    CU_ADD_TEST(suite, test_never_later_than_asked_for);
    CU_ADD_TEST(suite, test_what_is_not_affordable_is_skipped);
}
