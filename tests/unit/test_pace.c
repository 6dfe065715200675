// SPDX-License-Identifier: MIT
#include "pace.h"

#include <CUnit/Basic.h>
#include <math.h>

void add_pace_tests(void);

#define PIECE 0.02 /* seconds */

/*
 * `seconds` of sound in pieces; each look takes `cost` seconds of work, the stream waits when it
 * has nothing to do, if `live`. The longest stretch between looks goes to `longest`.
 */
static void run(struct pace *pace, double seconds, double cost, bool live, double *longest)
{
    double clock = 0, last = 0;
    *longest = 0;
    for (double at = PIECE; at < seconds + PIECE / 2; at += PIECE) {
        if (live && clock < at) {
            pace_wait(pace, at - clock);
            clock = at;
        }
        pace_hear(pace, PIECE);
        if (!pace_is_due(pace))
            continue;
        clock += cost;
        pace_look(pace, cost);
        *longest = fmax(*longest, at - last);
        last = at;
    }
}

static void test_never(void)
{
    struct pace pace;
    double longest;
    pace_init(&pace, 0, 0.5);
    run(&pace, 10, 0.01, true, &longest);
    CU_ASSERT(pace.looks == 0 && pace.skipped == 0);
}

/* A file, or no share: at the same places whatever a look costs. */
static void test_by_sound_alone(void)
{
    for (double cost = 0.001; cost < 3; cost *= 3)
        for (int live = 0; live < 2; live++) {
            struct pace pace;
            double longest;
            pace_init(&pace, 0.64, live ? 0 : 0.5);
            run(&pace, 32, cost, live, &longest);
            CU_ASSERT_EQUAL(pace.looks, 50);
            CU_ASSERT_EQUAL(pace.skipped, 0);
            CU_ASSERT_DOUBLE_EQUAL(longest, 0.64, 1e-6);
        }
}

/* Spoken live: as often as the share allows, and not without end where looks are cheap. */
static void test_as_often_as_is_affordable(void)
{
    static const double costs[] = {0.001, 0.05, 0.1, 0.2, 0.3};
    for (int i = 0; i < 5; i++) {
        struct pace pace;
        double longest;
        pace_init(&pace, 0.64, 0.5);
        run(&pace, 100, costs[i], true, &longest);
        double every = fmax(0.16, 2 * costs[i]);
        CU_ASSERT_DOUBLE_EQUAL((double)pace.looks, 100 / every, 0.12 * 100 / every + 1);
        CU_ASSERT_DOUBLE_EQUAL(pace.spent, (double)pace.looks * costs[i], 1e-6);
        CU_ASSERT(pace.spent <= 0.5 * 100 + costs[i]);
        CU_ASSERT(longest <= 0.64 + 1e-6);
        CU_ASSERT_EQUAL(pace.skipped, 0);
    }
}

/* Beyond the share, but within a core: at the longest stretch. */
static void test_never_later_than_asked_for(void)
{
    struct pace pace;
    double longest;
    pace_init(&pace, 0.64, 0.5);
    run(&pace, 64, 0.55, true, &longest);
    CU_ASSERT_EQUAL(pace.looks, 100);
    CU_ASSERT_DOUBLE_EQUAL(longest, 0.64, 1e-6);
    CU_ASSERT_EQUAL(pace.skipped, 0);
}

/* A look that takes longer than its sound: the stream would fall behind for ever. */
static void test_what_is_not_affordable_is_skipped(void)
{
    struct pace pace;
    double longest;
    pace_init(&pace, 0.64, 0.5);
    for (int i = 0; i < 100; i++) { /* silence so far: it has waited */
        pace_wait(&pace, PIECE);
        pace_hear(&pace, PIECE);
    }
    pace_begin_segment(&pace, 0);
    run(&pace, 14, 1, true, &longest);
    CU_ASSERT(pace.skipped >= 10);
    CU_ASSERT(pace.looks >= 13 && pace.looks <= 15);
    CU_ASSERT(longest <= 1 + PIECE + 1e-6);
    /* A segment later it is tried again. */
    uint64_t looks = pace.looks;
    pace_begin_segment(&pace, 0);
    run(&pace, 0.7, 0.01, true, &longest);
    CU_ASSERT(pace.looks > looks);
}

void add_pace_tests(void)
{
    CU_pSuite suite = CU_add_suite("pace", NULL, NULL);
    CU_ADD_TEST(suite, test_never);
    CU_ADD_TEST(suite, test_by_sound_alone);
    CU_ADD_TEST(suite, test_as_often_as_is_affordable);
    CU_ADD_TEST(suite, test_never_later_than_asked_for);
    CU_ADD_TEST(suite, test_what_is_not_affordable_is_skipped);
}
