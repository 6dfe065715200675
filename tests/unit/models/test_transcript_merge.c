// SPDX-License-Identifier: MIT
#include "models/text/transcript_merge.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <string.h>

void add_transcript_merge_tests(void);

/* Tokens of a text are its parts between bars. */
struct text {
    char bytes[256];
    struct vocabulary_token tokens[32];
    uint32_t count;
};

static void cut(struct text *text, const char *parts)
{
    *text = (struct text){0};
    strcpy(text->bytes, parts);
    for (char *part = strtok(text->bytes, "|"); part; part = strtok(NULL, "|"))
        text->tokens[text->count++] = (struct vocabulary_token){
            .text = part, .length = strlen(part), .control = part[0] == '<'};
}

/* The point, or -1. */
static long point(const char *committed, const char *found)
{
    struct text a, b;
    struct vocabulary_token tokens[64];
    uint32_t numbers[64];
    cut(&a, committed);
    cut(&b, found);
    memcpy(tokens, a.tokens, sizeof(a.tokens));
    memcpy(tokens + a.count, b.tokens, sizeof(b.tokens));
    for (uint32_t i = 0; i < 64; i++)
        numbers[i] = i;
    const struct vocabulary vocabulary = {tokens, a.count + b.count};
    size_t at = transcript_merge_point(&vocabulary, numbers, a.count, numbers + a.count, b.count);
    return at > b.count ? -1 : (long)at;
}

static void test_same_words(void)
{
    EXPECT_EQUAL(point(" the| cat", " the| cat| sat"), 2);
    EXPECT_EQUAL(point(" the| cat", " the| c|at| sat"), 3);
    EXPECT_EQUAL(point(" the| c|at", " the| cat"), 2);
    EXPECT_EQUAL(point("", " the| cat"), 0);
    EXPECT_EQUAL(point("", ""), 0);
    EXPECT_EQUAL(point(" na\xc3|\xafve", " na\xc3\xaf|ve| one"), 2);
}

static void test_marks_and_capitals(void)
{
    EXPECT_EQUAL(point(" The| cat", " the|,| cat| sat"), 3);
    EXPECT_EQUAL(point(" the|,| cat", " the| cat|,| sat"), 2); /* the mark may come */
    EXPECT_EQUAL(point(" cat|,", " cat|.| Sat"), 2);           /* there is one already */
    EXPECT_EQUAL(point(" cat|,", " cat.| Sat"), 1);
    EXPECT_EQUAL(point(" well| known", " well|-|known| man"), 3);
    EXPECT_EQUAL(point(" a|<|>", " a| b"), 1); /* control tokens are no text */
}

static void test_other_words(void)
{
    EXPECT_EQUAL(point(" the| cat", " the| car"), -1);
    EXPECT_EQUAL(point(" the| cat", " the"), -1);
    EXPECT_EQUAL(point(" the| cat", ""), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cats"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cat|s| sat"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cat|'s| toy"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| old| cat"), -1);
}

void add_transcript_merge_tests(void)
{
    CU_pSuite suite = CU_add_suite("splice", NULL, NULL);
    CU_ADD_TEST(suite, test_same_words);
    CU_ADD_TEST(suite, test_marks_and_capitals);
    CU_ADD_TEST(suite, test_other_words);
}
