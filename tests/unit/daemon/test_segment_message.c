// SPDX-License-Identifier: MIT
#include "daemon/common/json_text.h"
#include "daemon/recognition/segment_message.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_segment_message_tests(void);

/* Holds if the segment's data, without spaces and with sorted keys, are this. */
static void has_data(const struct segment_message *segment, const char *expected)
{
    char *text = json_dumps(segment->data, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
    EXPECT_EQUAL_STRING(text, expected);
    free(text);
}

static void test_final(void)
{
    const struct hearken_word words[] = {
        {.text = "one", .start = 0.25, .end = 0.5, .confidence = 0.5f},
        {.text = "two.", .start = 0.5, .end = 1, .confidence = 0.25f},
    };
    const struct hearken_event event = {
        .type = HEARKEN_EVENT_FINAL,
        .start = 0.25,
        .end = 1,
        .text = "one two.",
        .confidence = 0.5f,
        .committed = 8,
        .words = words,
        .word_count = 2,
        .committed_words = 2,
        .language = "en",
        .language_probability = 0.75f,
        .no_speech_probability = 0.125f,
    };
    struct segment_message segment;
    EXPECT_EQUAL(segment_message_init(&segment, &event, true, 10), 0);
    EXPECT_EQUAL_STRING(segment.event, "hearken-segment");
    CU_ASSERT_TRUE(segment.final);
    CU_ASSERT_FALSE(segment.voice);
    EXPECT_EQUAL(segment.start, 10.25);
    has_data(&segment, "{\"committed\":8,\"committed_words\":2,\"confidence\":0.5,\"end\":11.0,"
                       "\"language\":\"en\",\"language_probability\":0.75,"
                       "\"no_speech_probability\":0.125,\"start\":10.25,"
                       "\"text\":\"one two.\",\"type\":\"final\",\"words\":["
                       "{\"confidence\":0.5,\"end\":10.5,\"start\":10.25,\"text\":\"one\"},"
                       "{\"confidence\":0.25,\"end\":11.0,\"start\":10.5,\"text\":\"two.\"}]}");
    segment_message_finish(&segment);
    CU_ASSERT_PTR_NULL(segment.data);
    segment_message_finish(&segment);
}

/* What is no number has no place in JSON. */
static void test_partial_without_words(void)
{
    const struct hearken_event event = {
        .type = HEARKEN_EVENT_PARTIAL,
        .text = "one",
        .end = (double)INFINITY,
        .confidence = (float)NAN,
        .committed = 0,
    };
    struct segment_message segment;
    EXPECT_EQUAL(segment_message_init(&segment, &event, false, 0), 0);
    CU_ASSERT_FALSE(segment.final);
    has_data(&segment, "{\"committed\":0,\"confidence\":0.0,\"end\":0.0,\"start\":0.0,"
                       "\"text\":\"one\",\"type\":\"partial\"}");
    segment_message_finish(&segment);
}

/* The channel is told where there are several. */
static void test_channel(void)
{
    struct hearken_event event = {.type = HEARKEN_EVENT_FINAL, .text = "one", .channel = 2};
    struct segment_message segment;
    EXPECT_EQUAL(segment_message_init(&segment, &event, false, 0), 0);
    has_data(&segment, "{\"channel\":2,\"committed\":0,\"confidence\":0.0,\"end\":0.0,"
                       "\"start\":0.0,\"text\":\"one\",\"type\":\"final\"}");
    segment_message_finish(&segment);
    event.type = HEARKEN_EVENT_VOICE_STOPPED;
    EXPECT_EQUAL(segment_message_init(&segment, &event, false, 0), 0);
    has_data(&segment, "{\"channel\":2,\"timestamp\":0}");
    segment_message_finish(&segment);
}

static void test_voice(void)
{
    struct hearken_event event = {.type = HEARKEN_EVENT_VOICE_STARTED, .text = "", .start = 1.5};
    struct segment_message segment;
    EXPECT_EQUAL(segment_message_init(&segment, &event, true, 3600), 0);
    EXPECT_EQUAL_STRING(segment.event, "voice-started");
    CU_ASSERT_TRUE(segment.voice);
    EXPECT_EQUAL(segment.start, 3601.5);
    has_data(&segment, "{\"timestamp\":3601500}");
    segment_message_finish(&segment);
    event.type = HEARKEN_EVENT_VOICE_STOPPED;
    EXPECT_EQUAL(segment_message_init(&segment, &event, true, 0), 0);
    EXPECT_EQUAL_STRING(segment.event, "voice-stopped");
    has_data(&segment, "{\"timestamp\":1500}");
    segment_message_finish(&segment);
}

/* ---- Alignments ---- */

static struct segment_message align(uint32_t tokens, uint32_t steps, const float *weights)
{
    static const char *const texts[] = {"o", "\xc3"};
    const struct hearken_alignment alignment = {
        .tokens = tokens,
        .steps = steps,
        .start = 0.5,
        .step_seconds = 0.04,
        .texts = texts,
        .weights = weights,
    };
    const struct hearken_event event = {
        .type = HEARKEN_EVENT_FINAL, .text = "", .alignment = &alignment};
    struct segment_message segment;
    EXPECT_EQUAL_FATAL(segment_message_init(&segment, &event, false, 2), 0);
    return segment;
}

static void test_alignment(void)
{
    static const float weights[] = {1, 0, -2, 0.5f, 0, 1};
    static const uint8_t third[] = {0, 0, 0, 0xc0}; /* -2, little endian */
    struct segment_message segment = align(2, 3, weights);
    EXPECT_EQUAL_FATAL(segment.weights_length, sizeof(weights));
    EXPECT_EQUAL(memcmp(segment.weights + 8, third, sizeof(third)), 0);
    char *text =
        json_dumps(json_object_get(segment.data, "alignment"),
                   JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    EXPECT_EQUAL_STRING(text, "{\"start\":2.5,\"step_seconds\":0.04,\"steps\":3,"
                              "\"texts\":[\"o\",\"\\uFFFD\"],\"tokens\":2}");
    free(text);
    segment_message_finish(&segment);
}

/* None, or beyond what a peer takes: 4 MiB. The product of both sizes does not fit into 32 bits. */
static void test_no_alignment(void)
{
    static const uint32_t sizes[][2] = {{0, 5}, {5, 0}, {1024, 1025}, {65536, 65537}};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct segment_message segment = align(sizes[i][0], sizes[i][1], NULL);
        CU_ASSERT_TRUE(json_is_null(json_object_get(segment.data, "alignment")));
        CU_ASSERT_PTR_NULL(segment.weights);
        EXPECT_EQUAL(segment.weights_length, 0);
        segment_message_finish(&segment);
    }
}

/* ---- Text ---- */

static void becomes(const char *text, const char *expected)
{
    json_t *value = json_from_text(text);
    EXPECT_EQUAL_STRING(json_string_value(value), expected);
    json_decref(value);
}

static void test_text(void)
{
    becomes("", "");
    becomes("Stra\xc3\x9f"
            "e",
            "Stra\xc3\x9f"
            "e");
    becomes("Stra\xdf"
            "e",
            "Stra\xef\xbf\xbd"
            "e");
    becomes("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd");
}

void add_segment_message_tests(void)
{
    CU_pSuite suite = CU_add_suite("heard segments", NULL, NULL);
    CU_ADD_TEST(suite, test_final);
    CU_ADD_TEST(suite, test_partial_without_words);
    CU_ADD_TEST(suite, test_channel);
    CU_ADD_TEST(suite, test_voice);
    CU_ADD_TEST(suite, test_alignment);
    CU_ADD_TEST(suite, test_no_alignment);
    CU_ADD_TEST(suite, test_text);
}
