// SPDX-License-Identifier: MIT
/* Where segments begin and end, for probabilities that are written down. */
#include "models/vad/endpoint.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_endpoint_tests(void);

/* ---- Signals and what becomes of them ---- */

static struct endpoint_options options_of(void)
{
    return (struct endpoint_options){
        .onset = 0.5f,
        .offset = 0.3f,
        .min_speech = 5,
        .pre_roll = 10,
        .hangover = 8,
        .min_silence = 30,
        .max_segment = 200,
    };
}

struct run {
    struct endpoint *endpoint;
    char told[4096]; /* "+FROM" started, "-FROM" stopped, "[FROM,TO)" a segment */
};

static void note_events(struct run *run)
{
    struct endpoint_event event;
    while (endpoint_next(run->endpoint, &event)) {
        size_t at = strlen(run->told);
        char *to = run->told + at;
        size_t room = sizeof(run->told) - at;
        if (event.type == ENDPOINT_STARTED)
            snprintf(to, room, "+%llu ", (unsigned long long)event.from);
        else if (event.type == ENDPOINT_STOPPED)
            snprintf(to, room, "-%llu ", (unsigned long long)event.from);
        else
            snprintf(to, room, "[%llu,%llu) ", (unsigned long long)event.from,
                     (unsigned long long)event.to);
    }
}

static void begin(struct run *run, const struct endpoint_options *options)
{
    *run = (struct run){0};
    EXPECT_EQUAL_FATAL(endpoint_create(options, &run->endpoint), 0);
}

static void feed(struct run *run, uint32_t frames, float probability, float loudness)
{
    for (uint32_t i = 0; i < frames; i++) {
        endpoint_feed(run->endpoint, probability, loudness);
        note_events(run);
    }
}

static void speak(struct run *run, uint32_t frames)
{
    feed(run, frames, 0.9f, 1);
}

static void pause(struct run *run, uint32_t frames)
{
    feed(run, frames, 0.1f, 0);
}

static void expect(struct run *run, const char *told)
{
    while (endpoint_finish(run->endpoint))
        note_events(run);
    note_events(run);
    EXPECT_EQUAL_STRING(run->told, told);
    endpoint_destroy(run->endpoint);
}

/* ---- Beginning and ending ---- */

static void test_one_utterance(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    pause(&run, 50);
    speak(&run, 40);
    pause(&run, 29);
    EXPECT_EQUAL_STRING(run.told, "+50 ");
    CU_ASSERT_TRUE(endpoint_is_open(run.endpoint));
    EXPECT_EQUAL(endpoint_first_needed(run.endpoint), 40);
    pause(&run, 1);
    EXPECT_EQUAL_STRING(run.told, "+50 -90 [40,98) ");
    CU_ASSERT_FALSE(endpoint_is_open(run.endpoint));
    EXPECT_EQUAL(endpoint_first_needed(run.endpoint), 110);
    pause(&run, 50);
    expect(&run, "+50 -90 [40,98) ");
}

/* What the segment will be is known as soon as its last frame is there, until somebody speaks. */
static void test_may_end(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    uint64_t from, to;
    begin(&run, &options);
    pause(&run, 50);
    CU_ASSERT_FALSE(endpoint_expected_segment(run.endpoint, &from, &to));
    speak(&run, 40);
    pause(&run, 7);
    CU_ASSERT_FALSE(endpoint_expected_segment(run.endpoint, &from, &to));
    pause(&run, 1);
    CU_ASSERT_TRUE(endpoint_expected_segment(run.endpoint, &from, &to));
    CU_ASSERT(from == 40 && to == 98);
    speak(&run, 1);
    CU_ASSERT_FALSE(endpoint_expected_segment(run.endpoint, &from, &to));
    pause(&run, 29);
    CU_ASSERT_TRUE(endpoint_expected_segment(run.endpoint, &from, &to));
    CU_ASSERT(from == 40 && to == 107);
    pause(&run, 1);
    CU_ASSERT_FALSE(endpoint_expected_segment(run.endpoint, &from, &to));
    expect(&run, "+50 -99 [40,107) ");
}

/* There is no time before the first frame, and none behind the last. */
static void test_edges(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    expect(&run, "");
    begin(&run, &options);
    pause(&run, 3);
    speak(&run, 20);
    expect(&run, "+3 -23 [0,23) ");
    begin(&run, &options);
    speak(&run, 20);
    pause(&run, 4);
    expect(&run, "+0 -20 [0,24) ");
}

static void test_clicks_are_not_speech(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    for (uint32_t i = 0; i < 20; i++) {
        speak(&run, 4);
        EXPECT_EQUAL(endpoint_first_needed(run.endpoint), i > 0 ? i * 10 - 10 : 0);
        pause(&run, 6);
    }
    speak(&run, 5);
    expect(&run, "+200 -205 [190,205) ");
}

/* It takes `on` to begin and `off` to end: what lies between goes on with what was. */
static void test_hysteresis(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    feed(&run, 100, 0.4f, 1);
    speak(&run, 1);
    feed(&run, 60, 0.4f, 1);
    feed(&run, 40, 0.29f, 1);
    feed(&run, 100, 0.4f, 1);
    expect(&run, "+100 -161 [90,169) ");
    begin(&run, &options);
    feed(&run, 50, 0.5f, 1); /* the thresholds themselves are above */
    feed(&run, 50, 0.3f, 1);
    expect(&run, "+0 -100 [0,100) ");
}

/* What stays doubtful is no speech, and does not hide the speech after it. */
static void test_doubtful(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    feed(&run, 2, 0.65f, 1); /* 1 certain frame, 2.5 are needed */
    feed(&run, 10, 0.4f, 1); /* 1.4 */
    pause(&run, 40);
    speak(&run, 20);
    pause(&run, 40);
    expect(&run, "+52 -72 [42,80) ");
    begin(&run, &options);
    pause(&run, 15);
    feed(&run, 2, 0.65f, 1);
    feed(&run, 10, 0.4f, 1);
    pause(&run, 20); /* not the end of a segment: the speech keeps what was before it */
    CU_ASSERT(endpoint_has_candidate(run.endpoint));
    EXPECT_EQUAL(endpoint_first_needed(run.endpoint), 5);
    speak(&run, 20);
    pause(&run, 40);
    expect(&run, "+47 -67 [5,75) ");
    begin(&run, &options);
    feed(&run, 2, 0.65f, 1);
    feed(&run, 11, 0.4f, 1); /* 1.6 */
    pause(&run, 40);
    expect(&run, "+0 -13 [0,21) ");
}

/* At the end of the signal it is: a word may have been cut short. */
static void test_doubtful_end(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    pause(&run, 100);
    feed(&run, 5, 0.5f, 1);
    expect(&run, "+100 -105 [90,105) ");
    begin(&run, &options);
    pause(&run, 100);
    feed(&run, 5, 0.5f, 1);
    pause(&run, 8);
    expect(&run, "+100 -105 [90,113) ");
    begin(&run, &options);
    pause(&run, 100);
    feed(&run, 5, 0.5f, 1);
    pause(&run, 9); /* no longer the end */
    expect(&run, "");
    begin(&run, &options);
    pause(&run, 100);
    feed(&run, 4, 0.5f, 1);
    expect(&run, "");
}

/* With a low threshold soft speech is certain. */
static void test_low_threshold(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    options.onset = 0.2f;
    options.offset = 0.12f;
    begin(&run, &options);
    pause(&run, 50);
    feed(&run, 5, 0.27f, 1);
    pause(&run, 40);
    expect(&run, "+50 -55 [40,63) ");
}

/* A murmur is not kept for ever, nor is the sound before it. */
static void test_murmur(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    feed(&run, 1, 0.5f, 1);
    feed(&run, 1000, 0.3f, 1);
    EXPECT_EQUAL(endpoint_first_needed(run.endpoint), 1001 - options.pre_roll);
    speak(&run, 20);
    pause(&run, 40);
    expect(&run, "+1001 -1021 [991,1029) ");
    begin(&run, &options);
    for (int i = 0; i < 50; i++) { /* 1.1 certain frames at a time */
        feed(&run, 4, 0.5f, 1);
        feed(&run, 2, 0.3f, 1);
        pause(&run, 14);
        CU_ASSERT(endpoint_first_needed(run.endpoint) + 100 + options.pre_roll >= (unsigned)i * 20);
    }
    expect(&run, "");
    options.max_segment = 2800;
    begin(&run, &options);
    for (int i = 0; i < 50; i++) {
        feed(&run, 4, 0.5f, 1);
        feed(&run, 2, 0.3f, 1);
        pause(&run, 14);
        CU_ASSERT(endpoint_first_needed(run.endpoint) + 205 + options.pre_roll >= (unsigned)i * 20);
    }
    speak(&run, 20);
    pause(&run, 40);
    expect(&run, "+1000 -1020 [790,1028) ");
    options.onset = options.offset = 1;
    begin(&run, &options);
    feed(&run, 20, 1, 1);
    pause(&run, 40);
    expect(&run, "+0 -20 [0,28) ");
}

/* Pauses that are too short do not part; segments do not share a frame. */
static void test_pauses(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    speak(&run, 20);
    pause(&run, 29);
    speak(&run, 20);
    pause(&run, 30);
    speak(&run, 20);
    expect(&run, "+0 -69 [0,77) +99 -119 [89,119) ");
    options.hangover = 28;
    begin(&run, &options);
    speak(&run, 20);
    pause(&run, 30);
    speak(&run, 20);
    expect(&run, "+0 -20 [0,48) +50 -70 [48,70) ");
}

/* What is no number is no speech. */
static void test_not_a_number(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    feed(&run, 300, NAN, NAN);
    speak(&run, 50);
    feed(&run, 300, NAN, NAN);
    expect(&run, "+300 -350 [290,358) ");
}

/* ---- What is too long ---- */

/* In the longest pause of the second half; what of the pause is too far from speech is in neither.
 */
static void test_cut_in_a_pause(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    options.min_silence = 100;
    begin(&run, &options);
    speak(&run, 50);
    pause(&run, 40); /* longer, but in the first half */
    speak(&run, 30);
    pause(&run, 28); /* 120..148 */
    speak(&run, 12);
    pause(&run, 26);
    speak(&run, 34);
    expect(&run, "+0 [0,128) -220 [138,220) ");
}

/* The pause that is not over may be the longest: then nobody speaks any more. */
static void test_cut_at_the_end(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    options.min_silence = 100;
    begin(&run, &options);
    speak(&run, 120);
    pause(&run, 30);
    speak(&run, 10);
    pause(&run, 90);
    speak(&run, 20);
    expect(&run, "+0 -160 [0,168) +250 -270 [240,270) ");
}

/* Without a pause: where it is least like speech, and of such places the quietest. */
static void test_cut_without_a_pause(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    begin(&run, &options);
    speak(&run, 110);
    feed(&run, 25, 0.6f, 0.9f);
    speak(&run, 115);
    expect(&run, "+0 [0,122) -250 [122,250) ");
    begin(&run, &options);
    speak(&run, 140);
    feed(&run, 25, 0.9f, 0.5f);
    speak(&run, 85);
    expect(&run, "+0 [0,152) -250 [152,250) ");
}

/* What is held is not cut, be there pauses in it; if all is, all of it is one segment. */
static void test_held(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    options.min_silence = 100;
    begin(&run, &options);
    speak(&run, 110);
    pause(&run, 40);
    endpoint_set_earliest_cut(run.endpoint, 160);
    speak(&run, 15);
    feed(&run, 25, 0.6f, 0.5f);
    speak(&run, 100);
    expect(&run, "+0 [0,177) -290 [177,290) ");
    begin(&run, &options);
    endpoint_set_earliest_cut(run.endpoint, 199);
    speak(&run, 250);
    expect(&run, "+0 [0,199) -250 [199,250) ");
    begin(&run, &options);
    endpoint_set_earliest_cut(run.endpoint, 5000);
    speak(&run, 250);
    expect(&run, "+0 [0,200) -250 [200,250) ");
}

/* Two words with less than a minimum pause between them and the end: nothing is left behind the
 * cut. */
static void test_nothing_behind_the_cut(void)
{
    struct endpoint_options options = options_of();
    struct run run;
    options.hangover = 0;
    begin(&run, &options);
    speak(&run, 175);
    pause(&run, 200);
    expect(&run, "+0 -175 [0,175) ");
    begin(&run, &options);
    speak(&run, 180);
    pause(&run, 200);
    expect(&run, "+0 [0,187) -180 ");
}

/* ---- Any signal ---- */

/* Segments are in order, no longer than they may be, and hold every frame of speech that was told;
 * what is kept never goes back. */
static void check_random(unsigned seed)
{
    struct endpoint_options options = options_of();
    struct endpoint *endpoint;
    struct endpoint_event event;
    uint64_t last = 0, kept = 0, started = 0, stopped = 0;
    float probability = 0;
    srand(seed);
    options.min_silence = 1 + (uint32_t)rand() % 60;
    options.hangover = (uint32_t)rand() % 60;
    options.pre_roll = (uint32_t)rand() % 100;
    options.max_segment = 50 + (uint32_t)rand() % 300;
    options.pre_roll = options.pre_roll < options.max_segment / 2 ? options.pre_roll : 0;
    EXPECT_EQUAL_FATAL(endpoint_create(&options, &endpoint), 0);
    bool is_doubtful = seed % 2 != 0;
    bool finishing = false;
    for (uint64_t t = 0; t <= 5000 || finishing; t += !finishing) {
        if (rand() % 20 == 0)
            probability = (is_doubtful ? 0.6f : 1) * (float)rand() / (float)RAND_MAX;
        if (t < 5000)
            endpoint_feed(endpoint, probability, (float)rand());
        else
            finishing = endpoint_finish(endpoint);
        while (endpoint_next(endpoint, &event)) {
            started += event.type == ENDPOINT_STARTED;
            stopped += event.type == ENDPOINT_STOPPED;
            if (event.type != ENDPOINT_SEGMENT)
                continue;
            CU_ASSERT(event.from >= last && event.to > event.from && event.to <= t + 1);
            CU_ASSERT(event.to - event.from <= options.max_segment);
            CU_ASSERT(event.from >= kept);
            last = event.to;
        }
        CU_ASSERT(endpoint_first_needed(endpoint) >= kept &&
                  endpoint_first_needed(endpoint) <= t + 1);
        kept = endpoint_first_needed(endpoint);
        EXPECT_EQUAL(endpoint_is_open(endpoint), started > stopped);
    }
    CU_ASSERT(started > 0 && started == stopped);
    endpoint_destroy(endpoint);
}

static void test_any_signal(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("\n    seed %u ", seed);
    for (unsigned i = 0; i < 50; i++)
        check_random(seed + i);
}

static void test_refuses_what_is_wrong(void)
{
    struct endpoint *none = NULL;
    struct endpoint_options options[] = {
        options_of(), options_of(), options_of(), options_of(), options_of(),
        options_of(), options_of(), options_of(), options_of(),
    };
    options[0].onset = 1.1f;
    options[1].offset = -0.1f;
    options[2].offset = 0.6f;
    options[3].onset = NAN;
    options[4].min_speech = 0;
    options[5].min_silence = 0;
    options[6].max_segment = 2 * ENDPOINT_MIN_PAUSE - 1;
    options[7].max_segment = ENDPOINT_MAX_SEGMENT + 1;
    options[8].pre_roll = 101;
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        EXPECT_EQUAL(endpoint_create(&options[i], &none), -EINVAL);
    CU_ASSERT_PTR_NULL(none);
    endpoint_destroy(NULL);
}

void add_endpoint_tests(void)
{
    CU_pSuite suite = CU_add_suite("endpoint", NULL, NULL);
    CU_add_test(suite, "one utterance", test_one_utterance);
    CU_add_test(suite, "edges", test_edges);
    CU_add_test(suite, "clicks are not speech", test_clicks_are_not_speech);
    CU_add_test(suite, "hysteresis", test_hysteresis);
    CU_add_test(suite, "doubtful frames", test_doubtful);
    CU_add_test(suite, "doubtful frames at the end", test_doubtful_end);
    CU_add_test(suite, "a low threshold", test_low_threshold);
    CU_add_test(suite, "a murmur", test_murmur);
    CU_add_test(suite, "pauses", test_pauses);
    CU_add_test(suite, "what is no number", test_not_a_number);
    CU_add_test(suite, "cut in a pause", test_cut_in_a_pause);
    CU_add_test(suite, "cut at the end", test_cut_at_the_end);
    CU_add_test(suite, "cut without a pause", test_cut_without_a_pause);
    CU_add_test(suite, "what is held", test_held);
    CU_add_test(suite, "may end", test_may_end);
    CU_add_test(suite, "nothing behind the cut", test_nothing_behind_the_cut);
    CU_add_test(suite, "any signal", test_any_signal);
    CU_add_test(suite, "refuses what is wrong", test_refuses_what_is_wrong);
}
