// SPDX-License-Identifier: MIT
/* Custom words: what they earn, and what they change in a search. */
#include "models/search/custom_words.h"
#include "models/text/vocabulary.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_custom_words_tests(void);

/* Tokens of a text are its parts between bars. */
struct text {
    char bytes[256];
    struct vocabulary_token tokens[64];
    struct vocabulary vocabulary;
};

static void cut(struct text *text, const char *parts)
{
    *text = (struct text){0};
    strcpy(text->bytes, parts);
    text->vocabulary.tokens = text->tokens;
    for (char *part = strtok(text->bytes, "|"); part; part = strtok(NULL, "|"))
        text->tokens[text->vocabulary.count++] = (struct vocabulary_token){
            .text = part, .length = strlen(part), .control = part[0] == '<'};
}

static struct custom_words *list(const char *words, const struct text *text)
{
    struct hearken_error error = {""};
    struct custom_words *made = NULL;
    EXPECT_EQUAL(custom_words_create(words, &text->vocabulary, &made, &error), 0);
    EXPECT_EQUAL_STRING(error.message, "");
    return made;
}

/* What all of the text's tokens, one after the other, earn. */
static uint32_t earned(const char *words, const char *parts)
{
    struct text text;
    cut(&text, parts);
    struct custom_words *made = list(words, &text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    struct word_match match = custom_words_begin();
    for (uint32_t i = 0; i < text.vocabulary.count; i++)
        match = custom_words_advance(made, match, i);
    uint32_t result = custom_words_earned_at_end(made, match);
    custom_words_destroy(made);
    return result;
}

static void test_whole_words_earn(void)
{
    EXPECT_EQUAL(earned("Kubernetes", " the| Kub|ern|etes"), 10);
    EXPECT_EQUAL(earned("Kubernetes", "Kubernetes"), 10);
    EXPECT_EQUAL(earned("\xef\xbb\xbfKubernetes", "Kubernetes"), 10);
    EXPECT_EQUAL(earned("Kubernetes", " Kubern|etes.| And"), 10);
    EXPECT_EQUAL(earned("Kubernetes", " Kubern|etes|'s"), 10);
    EXPECT_EQUAL(earned("Kubernetes", " (|Kubernetes|)"), 10);
    EXPECT_EQUAL(earned("Kubernetes", " Kubernetes| Kubernetes"), 20);
    EXPECT_EQUAL(earned("Kubernetes", " a|<control>| Kubern|<other>|etes"), 10);
    EXPECT_EQUAL(earned("C3PO\nR2D2", " R2|D|2| and| C|3PO"), 8);
    EXPECT_EQUAL(earned(".NET", " .NET| a"), 4);
}

static void test_parts_of_words_earn_nothing(void)
{
    EXPECT_EQUAL(earned("Kubernetes", " Kubern"), 0);
    EXPECT_EQUAL(earned("Kubernetes", " Kubern|et| Kube"), 0);
    EXPECT_EQUAL(earned("Ana", " Anatole"), 0);
    EXPECT_EQUAL(earned("Ana", " Juliana"), 0);
    EXPECT_EQUAL(earned("Ana", " Ana\xc3\xafs"), 0);
    EXPECT_EQUAL(earned("Ana", " An|<|>|"), 0);
}

static void test_letters(void)
{
    EXPECT_EQUAL(earned("iPhone", " iPhone| iphone| IPhone| IPHONE"), 18);
    EXPECT_EQUAL(earned("new york", " New York| new york"), 16);
    EXPECT_EQUAL(earned("turn on\niPhone case", " Turn on.| IPhone case"), 18);
    EXPECT_EQUAL(earned("\xc5\x81uczak", " \xc5\x81uczak| \xc5\x82|uczak"), 12);
    EXPECT_EQUAL(earned("\xc5\x82uczak", " \xc5|\x81u|czak"), 6); /* characters, not bytes */
}

static void test_phrases(void)
{
    EXPECT_EQUAL(earned("New York", " New| York"), 8);
    EXPECT_EQUAL(earned("New York", " New| Jersey"), 0);
    EXPECT_EQUAL(earned(" New \t York\r\n\n", " New| York"), 8);
    EXPECT_EQUAL(earned("New\nNew York Times", " New| York| Post"), 3);
    EXPECT_EQUAL(earned("New\nNew York", " New"), 3);
    EXPECT_EQUAL(earned("New York Times\nYork", " New| York| Post"), 4);
    EXPECT_EQUAL(earned("New York\nYork Minster", " New| York| Minster"), 20);
    EXPECT_EQUAL(earned("a b c\nb c d", " a| b| c| d"), 10);
    EXPECT_EQUAL(earned("New York Times\nYork Minster", " New| York| Minster"), 12);
}

/* Scripts without spaces: "Tokyo" within "in Tokyo is". */
static void test_scripts_without_spaces(void)
{
    EXPECT_EQUAL(
        earned("\xe6\x9d\xb1\xe4\xba\xac", "\xe3\x81\xab|\xe6\x9d\xb1|\xe4\xba|\xac|\xe3\x81\xaf"),
        2);
}

static void test_hopes(void)
{
    struct text text;
    cut(&text, " Kub|ern|etes| ist|e");
    struct custom_words *made = list("Kubernetes\nKubernist", &text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    struct word_match match = custom_words_begin();
    CU_ASSERT(!custom_words_within(match));
    match = custom_words_advance(made, match, 0);
    CU_ASSERT(custom_words_within(match));
    EXPECT_EQUAL(custom_words_potential(made, match), 10);
    EXPECT_EQUAL(custom_words_earned(made, match), 0);
    EXPECT_EQUAL(custom_words_written(made, match), 3);
    match = custom_words_advance(made, match, 1);
    EXPECT_EQUAL(custom_words_potential(made, match), 10);
    struct word_match other = custom_words_advance(made, match, 3); /* a new word */
    EXPECT_EQUAL(custom_words_potential(made, other), 0);
    CU_ASSERT(!custom_words_within(other));
    match = custom_words_advance(made, match, 2);
    EXPECT_EQUAL(custom_words_earned(made, match), 0); /* a letter may follow */
    EXPECT_EQUAL(custom_words_earned_at_end(made, match), 10);
    EXPECT_EQUAL(custom_words_max_characters(made), 10);
    custom_words_destroy(made);
}

/* Bit i: token i can be reached. */
static uint32_t reach(const struct custom_words *made, struct word_match match, bool others,
                      const struct text *text)
{
    uint32_t tokens[128], count = custom_words_continuations(made, match, others, tokens), bits = 0;
    CU_ASSERT_FATAL(count <= 2 * text->vocabulary.count);
    for (uint32_t i = 0; i < count; i++)
        bits |= 1u << tokens[i];
    return bits;
}

static void test_reach(void)
{
    struct text text;
    cut(&text, " K|K| Ku|ub|ubern|u|etes| b|a| a|<K>");
    struct custom_words *made = list("Kubernetes\nab", &text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    struct word_match begin = custom_words_begin();
    EXPECT_EQUAL(reach(made, begin, true, &text), 1 | 2 | 4 | 256 | 512);
    EXPECT_EQUAL(reach(made, begin, false, &text), 2 | 256);
    struct word_match within = custom_words_advance(made, begin, 1);
    EXPECT_EQUAL(reach(made, within, false, &text), 8 | 16 | 32);
    EXPECT_EQUAL(reach(made, within, true, &text), 8 | 16 | 32 | 1 | 4 | 512);
    struct word_match outside = custom_words_advance(made, begin, 7);
    EXPECT_EQUAL(reach(made, outside, true, &text), 1 | 4 | 512);
    custom_words_destroy(made);
}

/* Reach and advance have to agree, whatever the words and the tokens. */
static void test_random_lists(void)
{
    unsigned seed = (unsigned)rand();
    printf("(seed %u) ", seed);
    srand(seed);
    for (int round = 0; round < 300; round++) {
        char words[200], parts[200];
        size_t length = 0;
        for (size_t i = 0; i < sizeof(words) - 1; i++)
            words[i] = "abc \n"[rand() % 5];
        words[sizeof(words) - 1] = 0;
        for (int i = 0; i < 30; i++) {
            for (int n = 1 + rand() % 4; n > 0; n--)
                parts[length++] = "abc "[rand() % 4];
            parts[length++] = '|';
        }
        parts[length] = 0;
        struct text text;
        cut(&text, parts);
        struct custom_words *made = list(words, &text);
        if (!made)
            continue;
        struct word_match match = custom_words_begin();
        for (uint32_t step = 0; step < 40; step++) {
            uint32_t bits = reach(made, match, true, &text), before = match.earned;
            for (uint32_t i = 0; i < text.vocabulary.count; i++)
                if (bits >> i & 1)
                    CU_ASSERT(custom_words_within(custom_words_advance(made, match, i)));
            CU_ASSERT(custom_words_potential(made, match) >= custom_words_earned(made, match));
            match = custom_words_advance(made, match, (uint32_t)rand() % text.vocabulary.count);
            CU_ASSERT(match.earned >= before);
        }
        custom_words_destroy(made);
    }
}

static void expect_refusal(const char *words, const char *problem)
{
    struct text text;
    struct hearken_error error = {""};
    struct custom_words *made = NULL;
    cut(&text, " a");
    EXPECT_EQUAL(custom_words_create(words, &text.vocabulary, &made, &error), -EINVAL);
    CU_ASSERT_PTR_NULL(made);
    EXPECT_EQUAL_STRING(error.message, problem);
    EXPECT_EQUAL(hearken_custom_words_check(words, &error), -EINVAL);
    EXPECT_EQUAL_STRING(error.message, problem);
}

static void test_limits(void)
{
    char text[3 * (HEARKEN_CUSTOM_WORDS_MAX + 1) + 1] = "";
    struct hearken_error error;
    expect_refusal("a\nb\xff", "custom words: line 2 is not text in UTF-8");
    expect_refusal("\n\na\x01", "custom words: line 3 has a control character, byte 0x01");
    memset(text, 'x', 101);
    text[101] = 0;
    expect_refusal(text, "custom words: line 1 has 101 bytes, expected up to 100");
    text[100] = 0;
    EXPECT_EQUAL(hearken_custom_words_check(text, &error), 1);
    for (size_t i = 0; i <= HEARKEN_CUSTOM_WORDS_MAX; i++)
        memcpy(text + 3 * i, "ab\n", 4);
    expect_refusal(text, "custom words: there are more than 2000");
    text[3 * HEARKEN_CUSTOM_WORDS_MAX] = 0;
    EXPECT_EQUAL(hearken_custom_words_check(text, &error), 2000);
    EXPECT_EQUAL(hearken_custom_words_check(" \n\t\n\n", &error), 0);
    EXPECT_EQUAL(hearken_custom_words_check("\xef\xbb\xbf\n", &error), 0);
    struct text tokens;
    cut(&tokens, " a");
    CU_ASSERT_PTR_NULL(list("\n \n", &tokens));
}

/* ---- In a search ---- */

#define SEEDS 12u

/* A word of two or three tokens of the vocabulary. */
static struct custom_words *make_list(const struct session *s, unsigned words)
{
    const struct vocabulary *v = &s->network->vocabulary;
    char text[1000] = "";
    struct hearken_error error = {""};
    struct custom_words *made = NULL;
    while (words > 0) {
        uint32_t tokens[3], count = 2 + (uint32_t)rand() % 2;
        for (uint32_t i = 0; i < count; i++)
            tokens[i] = SPECIAL_TOKENS + (uint32_t)rand() % (s->vocabulary - SPECIAL_TOKENS);
        if (!vocabulary_starts_word(v, tokens[0]))
            continue;
        char *word = vocabulary_text(v, tokens, count);
        strcat(strcat(text, word), "\n");
        free(word);
        words--;
    }
    EXPECT_EQUAL_FATAL(custom_words_create(text, v, &made, &error), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    return made;
}

static uint32_t earned_by_result(const struct custom_words *words, const struct beam_result *result)
{
    struct word_match match = custom_words_begin();
    for (uint32_t i = 0; i < result->count; i++)
        match = custom_words_advance(words, match, result->tokens[i]);
    return custom_words_earned_at_end(words, match);
}

static bool same(const struct beam_result *a, const struct beam_result *b)
{
    return a->count == b->count &&
           memcmp(a->tokens, b->tokens, a->count * sizeof(*a->tokens)) == 0 &&
           a->log_probability == b->log_probability &&
           memcmp(a->alignment, b->alignment, (size_t)(a->count + 1) * a->steps * sizeof(float)) ==
               0;
}

/* Words that are worth nothing change nothing, at any width; nor do those worth much, as long as
 * none of them is written. Those that are, are worth it. */
static void test_words_are_written_or_change_nothing(void)
{
    uint32_t written = 0, unchanged = 0, changed = 0;
    for (uint32_t round = 0; round < 2 * SEEDS; round++)
        for (uint32_t width = 1; width <= 4; width += 3)
            for (uint32_t with_ctc = 0; with_ctc < 2; with_ctc++) {
                struct session s;
                open_speaking(&s, round % 2, 1 + round / 2);
                struct beam_options options = options_of(width);
                struct beam_result plain = search(&s, &options, with_ctc);
                struct custom_words *words = make_list(&s, 3);
                options.words = words;
                struct beam_result worthless = search(&s, &options, with_ctc);
                CU_ASSERT(same(&plain, &worthless));
                options.word_boost = 3;
                struct beam_result found = search(&s, &options, with_ctc);
                uint32_t now = earned_by_result(words, &found),
                         before = earned_by_result(words, &plain);
                if (now == 0 && before == 0)
                    CU_ASSERT(same(&plain, &found));
                if (!same(&plain, &found))
                    CU_ASSERT(now > before);
                written += now > before;
                unchanged += now == 0;
                changed += !same(&plain, &found);
                beam_result_finish(&plain);
                beam_result_finish(&worthless);
                beam_result_finish(&found);
                custom_words_destroy(words);
                close_session(&s);
            }
    printf("(%u written, %u changed, %u without any) ", written, changed, unchanged);
    CU_ASSERT(written > 20 && unchanged > 5);
}

/* A short text that a listed word has won is judged with what that word earned. */
static void test_words_judged_with_their_bonus(void)
{
    uint32_t with_words = 0;
    for (uint32_t round = 0; round < 2 * SEEDS; round++) {
        struct session s;
        open_speaking(&s, round % 2, 1 + round / 2);
        struct beam_options options = options_of(4);
        struct custom_words *words = make_list(&s, 3);
        options.words = words;
        options.word_boost = 3;
        options.joins_variants = true;
        struct beam_result found = search(&s, &options, false);
        uint32_t earned = earned_by_result(words, &found);
        float probability = found.words_log_probability - options.word_boost * (float)earned;
        if (!found.stopped && earned > 0) {
            CU_ASSERT(probability >= found.log_probability - 1e-3f && probability <= 1e-3f);
            with_words++;
        }
        beam_result_finish(&found);
        custom_words_destroy(words);
        close_session(&s);
    }
    CU_ASSERT(with_words > 5);
}

/* With listed_only nothing is written but one custom word and a mark behind it. */
static void test_listed_text(void)
{
    uint32_t found_words = 0;
    for (uint32_t round = 0; round < 2 * SEEDS; round++) {
        struct session s;
        open_speaking(&s, round % 2, 1 + round / 2);
        struct beam_options options = options_of(LISTED_BEAM_WIDTH);
        struct custom_words *words = make_list(&s, 3);
        options.words = words;
        options.word_boost = 1;
        options.joins_variants = options.listed_only = true;
        struct beam_result found = search(&s, &options, false);
        uint32_t letters = 0;
        char *text = vocabulary_text(&s.network->vocabulary, found.tokens, found.count);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        for (const char *at = text; *at; at++)
            letters += (*at & 0xc0) != 0x80 && !strchr(".,;:?!\")]", *at);
        if (found.count > 0) {
            CU_ASSERT(found.is_listed && !found.stopped);
            EXPECT_EQUAL(earned_by_result(words, &found), (uint32_t)found.bonus);
            CU_ASSERT(letters <= (uint32_t)found.bonus);
            found_words++;
        }
        free(text);
        beam_result_finish(&found);
        custom_words_destroy(words);
        close_session(&s);
    }
    CU_ASSERT(found_words > 5);
}

/* The draft does not change the result, with words or without. */
static void test_guesses_change_nothing(void)
{
    uint32_t with_words = 0;
    for (uint32_t round = 0; round < 2 * SEEDS; round++) {
        struct session s;
        open_speaking(&s, round % 2, 1 + round / 2);
        struct beam_options options = options_of(1);
        struct beam_result plain = search(&s, &options, false);
        struct custom_words *words = make_list(&s, 3);
        options.words = words;
        options.word_boost = 3;
        struct beam_result expected = search(&s, &options, false);
        with_words += earned_by_result(words, &expected) > 0;
        const struct beam_result *guesses[] = {&plain, &expected};
        for (size_t i = 0; i < 2; i++) {
            options.draft = (struct beam_draft){guesses[i]->tokens, guesses[i]->count, 0};
            struct beam_result found = search(&s, &options, false);
            EXPECT_EQUAL_FATAL(found.count, expected.count);
            EXPECT_EQUAL(memcmp(found.tokens, expected.tokens, 4 * found.count), 0);
            beam_result_finish(&found);
        }
        beam_result_finish(&plain);
        beam_result_finish(&expected);
        custom_words_destroy(words);
        close_session(&s);
    }
    CU_ASSERT(with_words > 5);
}

void add_custom_words_tests(void)
{
    CU_pSuite suite = CU_add_suite("custom words", NULL, NULL);
    CU_ADD_TEST(suite, test_whole_words_earn);
    CU_ADD_TEST(suite, test_parts_of_words_earn_nothing);
    CU_ADD_TEST(suite, test_letters);
    CU_ADD_TEST(suite, test_phrases);
    CU_ADD_TEST(suite, test_scripts_without_spaces);
    CU_ADD_TEST(suite, test_hopes);
    CU_ADD_TEST(suite, test_reach);
    CU_ADD_TEST(suite, test_random_lists);
    CU_ADD_TEST(suite, test_limits);
    suite = CU_add_suite("lane", NULL, NULL);
    CU_ADD_TEST(suite, test_words_are_written_or_change_nothing);
    CU_ADD_TEST(suite, test_words_judged_with_their_bonus);
    CU_ADD_TEST(suite, test_listed_text);
    CU_ADD_TEST(suite, test_guesses_change_nothing);
}
