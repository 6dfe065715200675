// SPDX-License-Identifier: MIT
/* The checks that tell invented text from speech. */
#include "models/search/confidence_filter.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_confidence_filter_tests(void);

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
    CU_ASSERT_EQUAL(confidence_filter_compression_ratio(""), 1);
    CU_ASSERT(confidence_filter_compression_ratio("a") <
              0.5f); /* what zlib writes around it is longer */
}

static void test_mean_log_probability(void)
{
    struct beam_result result = {.count = 3, .log_probability = -6};
    CU_ASSERT_EQUAL(confidence_filter_mean_log_probability(&result),
                    -1.5f); /* the end is the fourth */
    result = (struct beam_result){.count = 1, .log_probability = -6};
    CU_ASSERT_EQUAL(confidence_filter_mean_log_probability(&result), -3);
    result = (struct beam_result){.count = 0, .log_probability = -6};
    CU_ASSERT_EQUAL(confidence_filter_mean_log_probability(&result), 0);
}

void add_confidence_filter_tests(void)
{
    CU_pSuite suite = CU_add_suite("guards", NULL, NULL);
    CU_ADD_TEST(suite, test_speech_is_no_loop);
    CU_ADD_TEST(suite, test_loops_compress);
    CU_ADD_TEST(suite, test_no_text);
    CU_ADD_TEST(suite, test_mean_log_probability);
}
