// SPDX-License-Identifier: MIT
/* Answers of servers with the interface of OpenAI, which are not trusted. */
#include "daemon/client/recognition/http_recognition.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void add_http_answer_tests(void);

#ifdef HEARKEN_CURL
static char reported[2000];
static int status;

/* TEXT[start-end]{word@start-end} of each segment. */
static int on_segment(void *context, struct transcript_segment *segment)
{
    size_t length = strlen(reported);
    (void)context;
    length += (size_t)snprintf(reported + length, sizeof(reported) - length, "%s", segment->text);
    if (segment->timed)
        length += (size_t)snprintf(reported + length, sizeof(reported) - length, "[%g-%g %.2f]",
                                   segment->start, segment->end, segment->confidence);
    for (size_t i = 0; i < segment->word_count; i++)
        length += (size_t)snprintf(reported + length, sizeof(reported) - length, "{%s@%g-%g}",
                                   segment->words[i].text, segment->words[i].start,
                                   segment->words[i].end);
    snprintf(reported + length, sizeof(reported) - length, ";");
    return status;
}

static int read_answer(const char *answer, struct hearken_error *error)
{
    struct recognition recognition = {.segment = on_segment};
    reported[0] = '\0';
    return http_recognition_read_answer(&recognition, answer, answer ? strlen(answer) : 0, error);
}

static void test_segments_and_words(void)
{
    struct hearken_error error;
    status = 0;
    EXPECT_EQUAL(
        read_answer("{\"text\":\"a b c\",\"segments\":[{\"text\":\" a b\",\"start\":0,\"end\":1.5,"
                    "\"avg_logprob\":-0.6931},{\"text\":\"c\",\"start\":1.5,\"end\":2,"
                    "\"confidence\":0.25}],\"words\":[{\"word\":\"a\",\"start\":0,\"end\":0.5},"
                    "{\"word\":\"b\",\"start\":1.2,\"end\":1.6},{\"word\":\"c\",\"start\":1.6,"
                    "\"end\":2.5}]}",
                    &error),
        0);
    EXPECT_EQUAL_STRING(reported, "a b[0-1.5 0.50]{a@0-0.5}{b@1.2-1.6};c[1.5-2 0.25]{c@1.6-2.5};");
}

static void test_text_alone(void)
{
    struct hearken_error error;
    status = 0;
    EXPECT_EQUAL(read_answer("{\"text\":\"hello\"}", &error), 0);
    EXPECT_EQUAL_STRING(reported, "hello;");
    EXPECT_EQUAL(read_answer("{\"text\":\"\"}", &error), 0);
    EXPECT_EQUAL_STRING(reported, "");
    EXPECT_EQUAL(read_answer("{\"text\":\"\",\"segments\":[]}", &error), 0);
    EXPECT_EQUAL_STRING(reported, "");
}

static void test_answers_of_any_kind(void)
{
    static const char *const answers[] = {
        NULL, "", "<html></html>", "[]", "{}", "{\"text\":1}", "{\"segments\":[{\"text\":\"a\"}]}"};
    struct hearken_error error;
    status = 0;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        EXPECT_EQUAL(read_answer(answers[i], &error), -EPROTO);
        EXPECT_CONTAINS(error.message, "does not speak");
        EXPECT_EQUAL_STRING(reported, "");
    }
    /* Members of any type count as none. */
    EXPECT_EQUAL(read_answer("{\"text\":\"x\",\"segments\":[1,{\"text\":[],\"start\":\"a\",\"end\":"
                             "1e999}],\"words\":[null,{\"word\":7,\"start\":-1,\"end\":-2}]}",
                             &error),
                 -EPROTO); /* 1e999 is no number for JSON */
    EXPECT_EQUAL(read_answer("{\"text\":\"x\",\"segments\":[1,{\"text\":[],\"start\":\"a\",\"end\":"
                             "1e99}],\"words\":[null,{\"word\":7,\"start\":-1,\"end\":-2}]}",
                             &error),
                 0);
    EXPECT_EQUAL_STRING(reported, "[0-0 0.00]{@0-0}{@0-0};[0-1e+07 0.00];");
    status = -EPIPE;
    EXPECT_EQUAL(read_answer("{\"text\":\"x\"}", &error), -EPIPE);
}
#endif

void add_http_answer_tests(void)
{
#ifdef HEARKEN_CURL
    CU_pSuite suite = CU_add_suite("http answer", NULL, NULL);
    CU_add_test(suite, "segments and words", test_segments_and_words);
    CU_add_test(suite, "text alone", test_text_alone);
    CU_add_test(suite, "answers of any kind", test_answers_of_any_kind);
#endif
}
