// SPDX-License-Identifier: MIT
/* Listed words in the search of a text. */
#include "models/text/vocabulary.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_biased_beam_tests(void);

#define STEPS 40u
#define SEEDS 12u

static void open_kind(struct session *s, uint32_t kind, uint32_t seed)
{
    struct model_shape shape = kind ? transformer_shape(seed) : recurrent_shape(seed);
    struct made_file file = make_model(&shape);
    if (!kind) /* speaks at some length */
        set_weight(&file, "speller.bias", 2, -1);
    srand(seed);
    open_session(s, open_network(&file));
    made_finish(&file);
    listen_to_noise(s, STEPS);
}

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
    CU_ASSERT_EQUAL_FATAL(custom_words_create(text, v, &made, &error), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    return made;
}

static uint32_t earned(const struct custom_words *words, const struct beam_result *result)
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
                open_kind(&s, round % 2, 1 + round / 2);
                struct beam_options options = options_of(width);
                struct beam_result plain = search(&s, &options, with_ctc);
                struct custom_words *words = make_list(&s, 3);
                options.words = words;
                struct beam_result worthless = search(&s, &options, with_ctc);
                CU_ASSERT(same(&plain, &worthless));
                options.word_boost = 3;
                struct beam_result found = search(&s, &options, with_ctc);
                uint32_t now = earned(words, &found), before = earned(words, &plain);
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

/* The draft does not change the result, with words or without. */
static void test_guesses_change_nothing(void)
{
    uint32_t with_words = 0;
    for (uint32_t round = 0; round < 2 * SEEDS; round++) {
        struct session s;
        open_kind(&s, round % 2, 1 + round / 2);
        struct beam_options options = options_of(1);
        struct beam_result plain = search(&s, &options, false);
        struct custom_words *words = make_list(&s, 3);
        options.words = words;
        options.word_boost = 3;
        struct beam_result expected = search(&s, &options, false);
        with_words += earned(words, &expected) > 0;
        const struct beam_result *guesses[] = {&plain, &expected};
        for (size_t i = 0; i < 2; i++) {
            options.draft = (struct beam_draft){guesses[i]->tokens, guesses[i]->count, 0};
            struct beam_result found = search(&s, &options, false);
            CU_ASSERT_EQUAL_FATAL(found.count, expected.count);
            CU_ASSERT_EQUAL(memcmp(found.tokens, expected.tokens, 4 * found.count), 0);
            beam_result_finish(&found);
        }
        beam_result_finish(&plain);
        beam_result_finish(&expected);
        custom_words_destroy(words);
        close_session(&s);
    }
    CU_ASSERT(with_words > 5);
}

void add_biased_beam_tests(void)
{
    CU_pSuite suite = CU_add_suite("lane", NULL, NULL);
    CU_ADD_TEST(suite, test_words_are_written_or_change_nothing);
    CU_ADD_TEST(suite, test_guesses_change_nothing);
}
