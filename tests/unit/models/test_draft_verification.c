// SPDX-License-Identifier: MIT
/* Texts that a search begins with: checked against the memory, or taken as they are. */
#include "tests/unit/common/expect.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_draft_verification_tests(void);

static struct beam_result search_from(struct session *s, uint32_t width, const uint32_t *tokens,
                                      uint32_t count, uint32_t forced)
{
    struct beam_options options = options_of(width);
    options.draft = (struct beam_draft){tokens, count, forced};
    return search(s, &options, false);
}

/* The same tokens; numbers to the rounding of one more log-softmax. */
static bool same_result(const struct beam_result *a, const struct beam_result *b)
{
    if (a->count != b->count || memcmp(a->tokens, b->tokens, a->count * sizeof(*a->tokens)) != 0)
        return false;
    bool same = fabsf(a->log_probability - b->log_probability) < 1e-4f;
    for (uint32_t i = 0; i < a->count; i++)
        same &= fabsf(a->log_probabilities[i] - b->log_probabilities[i]) < 1e-5f;
    return same && memcmp(a->alignment, b->alignment,
                          (size_t)(a->count + 1) * a->steps * sizeof(float)) == 0;
}

static uint32_t other_token(const struct session *s, uint32_t token)
{
    uint32_t other = SPECIAL_TOKENS + (uint32_t)rand() % (s->vocabulary - SPECIAL_TOKENS);
    return other != token ? other : other + 1 < s->vocabulary ? other + 1 : SPECIAL_TOKENS;
}

/* Whatever the draft, a search of width 1 gives the result of a search without one. */
static void test_guesses_change_nothing(void)
{
    uint32_t longest = 0;
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t seed = 1; seed <= 12; seed++) {
            struct session s;
            uint32_t draft[2 * MAX_TOKENS];
            open_speaking(&s, kind, seed);
            struct beam_result expected = search_from(&s, 1, NULL, 0, 0);
            longest = expected.count > longest ? expected.count : longest;
            for (uint32_t wrong = 0; wrong <= expected.count + 1; wrong++) {
                uint32_t count = expected.count + (uint32_t)rand() % 4;
                for (uint32_t i = 0; i < count; i++)
                    draft[i] = i < expected.count ? expected.tokens[i] : other_token(&s, 0);
                if (wrong < count)
                    draft[wrong] = other_token(&s, draft[wrong]);
                struct beam_result found = search_from(&s, 1, draft, count, 0);
                CU_ASSERT(same_result(&expected, &found));
                beam_result_finish(&found);
            }
            beam_result_finish(&expected);
            close_session(&s);
        }
    CU_ASSERT(longest > 12);
}

/* Some words, as long as `most` tokens at most. */
static uint32_t make_words(const struct session *s, uint32_t *tokens, uint32_t most)
{
    uint32_t count = 0;
    while (count < most) {
        uint32_t token = other_token(s, 0);
        if (count == 0 && !vocabulary_starts_word(&s->network->vocabulary, token))
            continue;
        tokens[count++] = token;
    }
    return count;
}

/*
 * What is forced is there, scored as the speller scores it step by step; behind it the speller
 * goes on as it likes, but not within the last word.
 */
static void check_forced(struct session *s, const uint32_t *forced, uint32_t count,
                         const struct beam_result *result)
{
    CU_ASSERT_FATAL(result->count >= count);
    EXPECT_EQUAL(memcmp(result->tokens, forced, count * sizeof(*forced)), 0);
    CU_ASSERT(result->count == count ||
              vocabulary_follows_word(&s->network->vocabulary, result->tokens[count]));
    struct hearken_matrix logits = speller_start(s->speller, &s->pass);
    float *alignment_row = malloc(SPOKEN_STEPS * sizeof(*alignment_row));
    for (uint32_t i = 0; i < count; i++) {
        float log_probability = 0;
        speller_read_alignment(s->speller, &s->pass, alignment_row);
        EXPECT_EQUAL(memcmp(alignment_row, result->alignment + (size_t)i * SPOKEN_STEPS,
                            SPOKEN_STEPS * sizeof(*alignment_row)),
                     0);
        pass_log_softmax(&s->pass, logits,
                         i ? s->network->speller.mask : s->network->speller.first_mask);
        pass_read(&s->pass, matrix_columns(logits, forced[i], 1), &log_probability);
        CU_ASSERT(fabsf(log_probability - result->log_probabilities[i]) < 1e-5f);
        logits = speller_step(s->speller, &s->pass, &(uint32_t){0}, &forced[i], 1);
    }
    free(alignment_row);
}

static void test_forced_tokens_stay(void)
{
    uint32_t continued = 0;
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t seed = 1; seed <= 12; seed++)
            for (uint32_t width = 1; width <= 4; width += 3) {
                struct session s;
                uint32_t forced[MAX_TOKENS];
                open_speaking(&s, kind, seed);
                uint32_t count = make_words(&s, forced, 1 + (uint32_t)rand() % (MAX_TOKENS - 1));
                struct beam_result result = search_from(&s, width, forced, count, count);
                check_forced(&s, forced, count, &result);
                continued += result.count > count;
                beam_result_finish(&result);
                close_session(&s);
            }
    CU_ASSERT(continued > 10);
}

/* Forced words and a draft of what follows: the same as without the draft. */
static void test_guesses_behind_forced_tokens(void)
{
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t seed = 1; seed <= 12; seed++) {
            struct session s;
            uint32_t draft[2 * MAX_TOKENS];
            open_speaking(&s, kind, seed);
            uint32_t forced = make_words(&s, draft, 3);
            struct beam_result expected = search_from(&s, 1, draft, forced, forced);
            for (uint32_t wrong = forced; wrong <= expected.count; wrong++) {
                memcpy(draft, expected.tokens, expected.count * sizeof(*draft));
                draft[wrong] = other_token(&s, draft[wrong]);
                uint32_t count = wrong == expected.count ? wrong : expected.count;
                struct beam_result found = search_from(&s, 1, draft, count, forced);
                CU_ASSERT(same_result(&expected, &found));
                beam_result_finish(&found);
            }
            beam_result_finish(&expected);
            close_session(&s);
        }
}

/* With a CTC head the score of a forced text is that of its tokens one by one: a wide beam finds
 * the same when it is made to begin with what it has found. */
static void test_forced_tokens_are_scored_by_ctc(void)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct session s;
        open_speaking(&s, 0, seed);
        struct beam_options options = options_of(1);
        struct beam_result free_result = search(&s, &options, true);
        for (uint32_t forced = 1; forced <= free_result.count; forced++) {
            uint32_t next = forced < free_result.count ? free_result.tokens[forced] : 4;
            if (!vocabulary_follows_word(&s.network->vocabulary, next))
                continue;
            options.draft = (struct beam_draft){free_result.tokens, forced, forced};
            struct beam_result found = search(&s, &options, true);
            CU_ASSERT(found.count >= forced);
            EXPECT_EQUAL(memcmp(found.tokens, free_result.tokens, 4 * forced), 0);
            beam_result_finish(&found);
        }
        beam_result_finish(&free_result);
        close_session(&s);
    }
}

/* More tokens than one call of the speller takes. */
static void test_long_guesses(void)
{
    struct model_shape shape = transformer_shape(2);
    shape.speller_positions = 100;
    struct made_file file = make_model(&shape);
    made_numbers(&file, "hearken.speller.suppress", GGUF_U32, (const double[]){0}, 1);
    struct session s;
    srand(3);
    open_session(&s, open_network(&file));
    made_finish(&file);
    listen_to_noise(&s, SPOKEN_STEPS);
    struct beam_options options = options_of(1);
    options.max_tokens = 3 * SPELLER_EXTEND_MAX + 5;
    uint32_t forced[3 * SPELLER_EXTEND_MAX + 5];
    for (uint32_t i = 0; i < options.max_tokens; i++)
        forced[i] = other_token(&s, i ? forced[i - 1] : 0);
    for (uint32_t count = SPELLER_EXTEND_MAX - 1; count <= options.max_tokens; count++) {
        options.draft = (struct beam_draft){forced, count, count};
        struct beam_result result = search(&s, &options, false);
        check_forced(&s, forced, count, &result);
        beam_result_finish(&result);
    }
    close_session(&s);
}

static void test_cancelled(void)
{
    struct session s;
    open_speaking(&s, 1, 1);
    uint32_t forced[8];
    struct beam_options options = options_of(2);
    options.draft = (struct beam_draft){forced, make_words(&s, forced, 8), 8};
    struct beam_result result;
    atomic_store(&s.cancelled, true);
    beam_search(&options, s.speller, &s.pass, s.network, NULL, &result);
    EXPECT_EQUAL(s.pass.error, -ECANCELED);
    CU_ASSERT(result.count == 0 && !result.tokens);
    beam_result_finish(&result);
    close_session(&s);
}

void add_draft_verification_tests(void)
{
    CU_pSuite suite = CU_add_suite("follow", NULL, NULL);
    CU_ADD_TEST(suite, test_guesses_change_nothing);
    CU_ADD_TEST(suite, test_forced_tokens_stay);
    CU_ADD_TEST(suite, test_guesses_behind_forced_tokens);
    CU_ADD_TEST(suite, test_forced_tokens_are_scored_by_ctc);
    CU_ADD_TEST(suite, test_long_guesses);
    CU_ADD_TEST(suite, test_cancelled);
}
