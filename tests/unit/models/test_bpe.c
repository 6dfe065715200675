// SPDX-License-Identifier: MIT
/* Text to tokens. */
#include "models/text/bpe.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

void add_bpe_tests(void);

#define MODEL HEARKEN_SOURCE_ROOT "/models/data/hearken-en.gguf"

static struct vocabulary vocabulary_of(const char *const *texts, uint32_t count)
{
    struct vocabulary v = {calloc(count, sizeof(*v.tokens)), count};
    for (uint32_t i = 0; i < count; i++)
        v.tokens[i] = (struct vocabulary_token){strdup(texts[i]), strlen(texts[i]), false};
    return v;
}

static void check(const struct vocabulary *v, const char *text, const uint32_t *expected,
                  uint32_t count)
{
    uint32_t *tokens, found;
    CU_ASSERT_EQUAL_FATAL(bpe_encode(v, text, 100, &tokens, &found), 0);
    CU_ASSERT_EQUAL(found, count);
    if (found == count)
        CU_ASSERT(count == 0 || memcmp(tokens, expected, count * sizeof(*tokens)) == 0);
    free(tokens);
}

#define CHECK(v, text, ...)                                                                        \
    check(v, text, (const uint32_t[]){__VA_ARGS__},                                                \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* The pair that stands first in the vocabulary is joined first, wherever it is in the word. */
static void test_order_of_pairs(void)
{
    static const char *const texts[] = {"a", "b", "c", "bc", "ab", "abc", " ", " a"};
    struct vocabulary v = vocabulary_of(texts, 8);
    CHECK(&v, "abc", 5);
    CHECK(&v, "abab", 4, 4);
    CHECK(&v, "ab", 4);
    CHECK(&v, " abc", 6, 5); /* bc before ab before abc before " a" */
    CHECK(&v, " a", 7);
    check(&v, "", NULL, 0);
    vocabulary_finish(&v);
}

/* Pairs do not reach over the ends of words; bytes that are no token are left out. */
static void test_words(void)
{
    static const char *const texts[] = {"a",  "1",  ".", " ", "a1", "1.",
                                        " .", "  ", "'", "s", "'s", "as"};
    struct vocabulary v = vocabulary_of(texts, 12);
    CHECK(&v, "a1.", 0, 1, 2);
    CHECK(&v, "a .", 0, 6);
    CHECK(&v, "a  .", 0, 3, 6); /* the last of the spaces goes with what follows */
    CHECK(&v, "a's", 0, 10);
    CHECK(&v, "as", 11);
    CHECK(&v, "a?a", 0, 0);
    CHECK(&v,
          "a\xff"
          "a",
          0, 0);
    vocabulary_finish(&v);
}

/* Of more than there is room for, the end. */
static void test_most(void)
{
    static const char *const texts[] = {"a", "b"};
    struct vocabulary v = vocabulary_of(texts, 2);
    uint32_t *tokens, count;
    CU_ASSERT_EQUAL_FATAL(bpe_encode(&v, "aab", 2, &tokens, &count), 0);
    CU_ASSERT(count == 2 && tokens[0] == 0 && tokens[1] == 1);
    free(tokens);
    CU_ASSERT_EQUAL_FATAL(bpe_encode(&v, "aab", 0, &tokens, &count), 0);
    CU_ASSERT_EQUAL(count, 0);
    free(tokens);
    vocabulary_finish(&v);
}

/* With the real vocabulary, text comes back as it was. */
static void test_there_and_back(void)
{
    static const char *const texts[] = {
        "It's delightful to hear it in a London theatre.",
        "Na\xc3\xafve caf\xc3\xa9s \xe2\x80\x94 \xd0\x9c\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0, "
        "\xe6\x97\xa5\xe6\x9c\xac 1,234.5!",
        "don't  leave\n\nany   space",
    };
    struct gguf *gguf;
    struct vocabulary v;
    struct hearken_error error;
    CU_ASSERT_EQUAL_FATAL(gguf_open(MODEL, GGUF_WHOLE, &gguf, &error), 0);
    CU_ASSERT_EQUAL_FATAL(vocabulary_read(&v, gguf, &error), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        uint32_t *tokens, count;
        CU_ASSERT_EQUAL_FATAL(bpe_encode(&v, texts[i], 200, &tokens, &count), 0);
        char *text = vocabulary_text(&v, tokens, count);
        CU_ASSERT_STRING_EQUAL(text, texts[i]);
        CU_ASSERT(count < strlen(texts[i]));
        free(text);
        free(tokens);
    }
    vocabulary_finish(&v);
    gguf_destroy(gguf);
}

void add_bpe_tests(void)
{
    CU_pSuite suite = CU_add_suite("encode", NULL, NULL);
    CU_add_test(suite, "order of pairs", test_order_of_pairs);
    CU_add_test(suite, "words", test_words);
    CU_add_test(suite, "no more than there is room for", test_most);
    CU_add_test(suite, "there and back", test_there_and_back);
}
