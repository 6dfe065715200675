// SPDX-License-Identifier: MIT
/* What keeps loops and noise out of the text. */
#include "models/search/confidence_filter.h"
#include "models/search/repetition_guard.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_guards_tests(void);

/* ---- Loops ---- */

/* `repeats` periods of `period` tokens after `before` others; the copy has nothing after them. */
static bool loops(uint32_t before, uint32_t period, uint32_t repeats, uint32_t extra)
{
    size_t count = before + period * repeats + extra;
    uint32_t *tokens = malloc(count * sizeof(*tokens));
    for (size_t i = 0; i < before; i++)
        tokens[i] = 1000 + (uint32_t)i;
    for (size_t i = before; i < count; i++)
        tokens[i] = (uint32_t)(i - before) % period;
    void *copy = exact_copy(tokens, count * sizeof(*tokens));
    bool result = repetition_guard_is_loop(copy, count);
    free(copy);
    free(tokens);
    return result;
}

/* Turns as often as it takes to be four of them and twelve tokens, and once less. */
static void test_turns(void)
{
    for (uint32_t period = 1; period <= 40; period++) {
        uint32_t repeats = period == 1 ? 12 : period == 2 ? 6 : 4;
        for (uint32_t before = 0; before < 3; before++) {
            CU_ASSERT(loops(before, period, repeats, 0));
            CU_ASSERT(loops(before, period, repeats + 3, 0));
            CU_ASSERT(loops(before, period, repeats, period / 2));
            CU_ASSERT_FALSE(loops(before, period, repeats - 1, 0));
        }
    }
    CU_ASSERT_FALSE(loops(0, 41, 4, 0));
}

static void test_a_loop_needs_all_of_its_turn(void)
{
    for (uint32_t period = 1; period <= 40; period++) {
        uint32_t repeats = period == 1 ? 12 : period == 2 ? 6 : 4, count = period * repeats;
        uint32_t *tokens = malloc(count * sizeof(*tokens));
        for (uint32_t i = 0; i < count; i++)
            tokens[i] = i % period;
        size_t missed = 0;
        for (uint32_t at = 0; at < count; at++) {
            tokens[at] += 100; /* one other token anywhere */
            missed += repetition_guard_is_loop(tokens, count);
            tokens[at] -= 100;
        }
        EXPECT_EQUAL(missed, 0);
        CU_ASSERT(repetition_guard_is_loop(tokens, count));
        free(tokens);
    }
}

static void test_no_tokens(void)
{
    CU_ASSERT_FALSE(repetition_guard_is_loop(NULL, 0));
    CU_ASSERT_FALSE(repetition_guard_is_loop(&(uint32_t){7}, 1));
}

/* A loop that a text has left is none; the one at its end counts. */
static void test_only_the_end_counts(void)
{
    uint32_t tokens[21];
    for (uint32_t i = 0; i < 20; i++)
        tokens[i] = 5;
    tokens[20] = 6;
    CU_ASSERT(repetition_guard_is_loop(tokens, 20));
    CU_ASSERT_FALSE(repetition_guard_is_loop(tokens, 21));
}

/* ---- Attention ---- */

#define STEPS 400u

static bool alignment_row(struct attention_progress *attention, uint32_t peak)
{
    float weights[STEPS];
    for (uint32_t t = 0; t < STEPS; t++)
        weights[t] = 0.001f;
    weights[peak] = 0.5f;
    return repetition_guard_advance(attention, weights, STEPS, 0.04);
}

static void test_attention_moves_on(void)
{
    struct attention_progress attention = {0};
    for (uint32_t peak = 0; peak < STEPS; peak++)
        CU_ASSERT(alignment_row(&attention, peak));
    EXPECT_EQUAL(attention.furthest, STEPS - 1);
}

/*
 * A second is 25 steps: attention may move back that far; further counts, and five tokens in a row
 * are enough.
 */
static void test_attention_goes_back(void)
{
    struct attention_progress attention = {0};
    CU_ASSERT(alignment_row(&attention, 300));
    for (uint32_t i = 0; i < 40; i++)
        CU_ASSERT(alignment_row(&attention, 275));
    for (uint32_t i = 0; i < 4; i++)
        CU_ASSERT(alignment_row(&attention, 274));
    CU_ASSERT_FALSE(alignment_row(&attention, 274));
    EXPECT_EQUAL(attention.furthest, 300);
}

static void test_strikes_have_to_be_in_a_row(void)
{
    for (uint32_t between = 0; between < 2; between++) {
        struct attention_progress attention = {0};
        CU_ASSERT(alignment_row(&attention, 300));
        for (uint32_t i = 0; i < 4; i++)
            CU_ASSERT(alignment_row(&attention, 0));
        CU_ASSERT(alignment_row(&attention, between ? 280 : 300));
        for (uint32_t i = 0; i < 4; i++)
            CU_ASSERT(alignment_row(&attention, 10));
        CU_ASSERT_FALSE(alignment_row(&attention, 10));
    }
}

/* Steps are as long as they are: at 20 ms it takes 50 of them. */
static void test_attention_counts_seconds(void)
{
    struct attention_progress attention = {.furthest = 300};
    float weights[STEPS] = {[250] = 1};
    for (uint32_t i = 0; i < 40; i++)
        CU_ASSERT(repetition_guard_advance(&attention, weights, STEPS, 0.02));
    EXPECT_EQUAL(attention.backward_tokens, 0);
    weights[249] = 2;
    for (uint32_t i = 0; i < 4; i++)
        CU_ASSERT(repetition_guard_advance(&attention, weights, STEPS, 0.02));
    CU_ASSERT_FALSE(repetition_guard_advance(&attention, weights, STEPS, 0.02));
}

/* Weights after the steps of the sound are ignored; there may be none. */
static void test_attention_on_padding(void)
{
    struct attention_progress attention = {0};
    float *weights = exact_copy((const float[]){0.1f, 0.3f, 0.2f}, 3 * sizeof(float));
    CU_ASSERT(repetition_guard_advance(&attention, weights, 3, 0.04));
    EXPECT_EQUAL(attention.furthest, 1);
    attention = (struct attention_progress){0};
    CU_ASSERT(repetition_guard_advance(&attention, weights, 1, 0.04));
    CU_ASSERT(repetition_guard_advance(&attention, weights, 0, 0.04));
    EXPECT_EQUAL(attention.furthest, 0);
    free(weights);
}

/* The same five tokens again, without progress of the attention. */
static void test_said_again(void)
{
    const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6};
    for (uint32_t stays = 3; stays < 7; stays++) {
        struct attention_progress attention = {.furthest = 300};
        for (uint32_t i = 0; i < stays; i++)
            alignment_row(&attention, 300 - i);
        EXPECT_EQUAL(attention.stalled_tokens, stays);
        EXPECT_EQUAL(repetition_guard_repeats(&attention, tokens, 11), stays >= 5);
        CU_ASSERT_FALSE(repetition_guard_repeats(&attention, tokens, 10));
        CU_ASSERT_FALSE(repetition_guard_repeats(&attention, tokens, 4));
        CU_ASSERT_FALSE(repetition_guard_repeats(&attention, tokens + 1, 9));
        alignment_row(&attention, 301);
        CU_ASSERT_FALSE(repetition_guard_repeats(&attention, tokens, 11));
    }
}

static void test_one_step(void)
{
    struct attention_progress attention = {0};
    float *weights = exact_copy(&(float){1}, sizeof(float));
    for (uint32_t i = 0; i < 40; i++)
        CU_ASSERT(repetition_guard_advance(&attention, weights, 1, 0.04));
    free(weights);
}

/* ---- Length ---- */

static void test_most_tokens(void)
{
    EXPECT_EQUAL(repetition_guard_max_tokens(0), 10);
    EXPECT_EQUAL(repetition_guard_max_tokens(0.5), 16);
    EXPECT_EQUAL(repetition_guard_max_tokens(1), 22);
    EXPECT_EQUAL(repetition_guard_max_tokens(28), 346);
}

/* ---- Texts that compress too well, or are unlikely ---- */

#define THRESHOLD 2.4f /* the default of compression_threshold */

static void test_speech_is_no_loop(void)
{
    static const char *const texts[] = {
        "a",
        "Yes.",
        "No, no, no, no!",
        "He was not disposed to look at the question from that point of view.",
        "Whether it is nobler in the mind to suffer the slings and arrows of outrageous fortune, "
        "or "
        "to take arms against a sea of troubles, and by opposing end them.",
        "Two, four, six, eight, ten, twelve, fourteen, sixteen, eighteen, twenty.",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        float ratio = confidence_filter_compression_ratio(texts[i]);
        CU_ASSERT(ratio > 0.05f && ratio < THRESHOLD);
    }
}

static char *repeated(const char *turn, size_t times)
{
    size_t length = strlen(turn);
    char *text = malloc(length * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * length, turn, length);
    text[length * times] = 0;
    return text;
}

static void test_loops_compress(void)
{
    static const struct {
        const char *turn;
        size_t times;
    } loops[] = {
        {"you ", 20}, {"Thank you very much. ", 6}, {"I don't know what to do about it, ", 5}};
    for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
        char *text = repeated(loops[i].turn, loops[i].times);
        CU_ASSERT(confidence_filter_compression_ratio(text) > THRESHOLD);
        free(text);
    }
    /* The more often, the better. */
    float before = 0;
    for (size_t times = 2; times <= 64; times *= 2) {
        char *text = repeated("again and ", times);
        float ratio = confidence_filter_compression_ratio(text);
        CU_ASSERT(ratio > before);
        before = ratio;
        free(text);
    }
    CU_ASSERT(before > 20);
}

static void test_no_text(void)
{
    EXPECT_EQUAL(confidence_filter_compression_ratio(""), 1);
    CU_ASSERT(confidence_filter_compression_ratio("a") <
              0.5f); /* what zlib writes around it is longer */
}

static void test_mean_log_probability(void)
{
    struct beam_result result = {.count = 3, .log_probability = -6};
    EXPECT_EQUAL(confidence_filter_mean_log_probability(&result),
                 -1.5f); /* the end is the fourth */
    result = (struct beam_result){.count = 1, .log_probability = -6};
    EXPECT_EQUAL(confidence_filter_mean_log_probability(&result), -3);
    result = (struct beam_result){.count = 0, .log_probability = -6};
    EXPECT_EQUAL(confidence_filter_mean_log_probability(&result), 0);
}

static bool rejects_words(const struct hearken_stream_options *options, float log_probability,
                          float no_speech)
{
    struct beam_result result = {.words_log_probability = log_probability, .no_speech = no_speech};
    return confidence_filter_rejects_words(options, &result);
}

/* The words of a short text may be 2.5 times the threshold below certain; half that in silence. */
static void test_likely_words(void)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.log_probability_threshold = -1;
    options.no_speech_threshold = 0.6f;
    CU_ASSERT_FALSE(rejects_words(&options, -2.4f, 0.6f));
    CU_ASSERT(rejects_words(&options, -2.6f, 0.6f));
    CU_ASSERT_FALSE(rejects_words(&options, -1.2f, 0.7f));
    CU_ASSERT(rejects_words(&options, -1.3f, 0.7f));
}

/* The first partial text needs two thirds of the threshold, later ones all of it; where the network
 * is sure of speech, one and a half times it will do. A model that does not tell is never sure. */
static void test_likely_partial_texts(void)
{
    static const struct {
        float no_speech, limit, first_limit;
    } cases[] = {{0, -1, -0.67f},     {0.1f, -1.5f, -1.5f}, {0.14f, -1.5f, -1.5f},
                 {0.16f, -1, -0.67f}, {0.6f, -1, -0.67f},   {0.7f, -0.5f, -0.335f}};
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.log_probability_threshold = -1;
    options.no_speech_threshold = 0.6f;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (int is_first = 0; is_first < 2; is_first++) {
            float limit = is_first ? cases[i].first_limit : cases[i].limit;
            CU_ASSERT_FALSE(confidence_filter_rejects_partial(&options, limit + 0.01f,
                                                              cases[i].no_speech, is_first));
            CU_ASSERT(confidence_filter_rejects_partial(&options, limit - 0.01f, cases[i].no_speech,
                                                        is_first));
        }
}

/*
 * A text that is a custom word or phrase as a whole may be 6 times the threshold below certain
 * without its bonus, more if it has many tokens.
 */
static void test_likely_listed_words(void)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.log_probability_threshold = -1;
    struct beam_result result = {
        .is_listed = true, .count = 2, .bonus = 2, .words_log_probability = -3.9f};
    CU_ASSERT_FALSE(confidence_filter_rejects_words(&options, &result));
    result.words_log_probability = -4.1f;
    CU_ASSERT(confidence_filter_rejects_words(&options, &result));
    result.count = 5;
    CU_ASSERT_FALSE(confidence_filter_rejects_words(&options, &result));
}

void add_guards_tests(void)
{
    CU_pSuite suite = CU_add_suite("runaway", NULL, NULL);
    CU_ADD_TEST(suite, test_turns);
    CU_ADD_TEST(suite, test_a_loop_needs_all_of_its_turn);
    CU_ADD_TEST(suite, test_no_tokens);
    CU_ADD_TEST(suite, test_only_the_end_counts);
    CU_ADD_TEST(suite, test_attention_moves_on);
    CU_ADD_TEST(suite, test_attention_goes_back);
    CU_ADD_TEST(suite, test_strikes_have_to_be_in_a_row);
    CU_ADD_TEST(suite, test_attention_counts_seconds);
    CU_ADD_TEST(suite, test_attention_on_padding);
    CU_ADD_TEST(suite, test_said_again);
    CU_ADD_TEST(suite, test_one_step);
    CU_ADD_TEST(suite, test_most_tokens);
    suite = CU_add_suite("guards", NULL, NULL);
    CU_ADD_TEST(suite, test_speech_is_no_loop);
    CU_ADD_TEST(suite, test_loops_compress);
    CU_ADD_TEST(suite, test_no_text);
    CU_ADD_TEST(suite, test_mean_log_probability);
    CU_ADD_TEST(suite, test_likely_words);
    CU_ADD_TEST(suite, test_likely_partial_texts);
    CU_ADD_TEST(suite, test_likely_listed_words);
}
