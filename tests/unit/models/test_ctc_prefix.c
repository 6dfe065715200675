// SPDX-License-Identifier: MIT
/* CTC prefix scores against the sum over every single path. */
#include "models/search/ctc_prefix.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_ctc_prefix_tests(void);

#define VOCABULARY 4u /* three tokens and the blank */
#define MAX_STEPS  6u
#define TOLERANCE  1e-5

struct case_of {
    uint32_t steps, blank;
    float log_probabilities[MAX_STEPS * VOCABULARY];
};

static struct ctc_scores scores_of(const struct case_of *c)
{
    return (struct ctc_scores){c->log_probabilities, c->steps, VOCABULARY, c->blank};
}

/* Rows that sum to one, some of them sharp. */
static void fill(struct case_of *c)
{
    for (uint32_t t = 0; t < c->steps; t++) {
        double sum = 0, values[VOCABULARY], spread = 1 + rand() % 6;
        for (uint32_t v = 0; v < VOCABULARY; v++)
            sum += values[v] = exp(spread * rand() / RAND_MAX);
        for (uint32_t v = 0; v < VOCABULARY; v++)
            c->log_probabilities[t * VOCABULARY + v] = (float)log(values[v] / sum);
    }
}

/* What a path says: without repeats, then without blanks (Graves, 2006). */
static uint32_t collapse(const struct case_of *c, uint32_t path, uint32_t *text,
                         double *probability)
{
    uint32_t count = 0, before = UINT32_MAX;
    double log_probability = 0;
    for (uint32_t t = 0; t < c->steps; t++, path /= VOCABULARY) {
        uint32_t token = path % VOCABULARY;
        log_probability += (double)c->log_probabilities[t * VOCABULARY + token];
        if (token != before && token != c->blank)
            text[count++] = token;
        before = token;
    }
    *probability = exp(log_probability);
    return count;
}

/* The probability of all texts that start with `prefix`, and of it alone. */
static void brute_force(const struct case_of *c, const uint32_t *prefix, uint32_t length,
                        double *starts, double *is)
{
    uint32_t paths = 1;
    for (uint32_t t = 0; t < c->steps; t++)
        paths *= VOCABULARY;
    *starts = *is = 0;
    for (uint32_t path = 0; path < paths; path++) {
        uint32_t text[MAX_STEPS];
        double probability;
        uint32_t count = collapse(c, path, text, &probability);
        if (count < length || memcmp(text, prefix, length * sizeof(*prefix)) != 0)
            continue;
        *starts += probability;
        *is += count == length ? probability : 0;
    }
}

static bool close_to(double log_probability, double probability)
{
    return fabs(exp(log_probability) - probability) < TOLERANCE;
}

/* The state behind `prefix` and its score, from the empty one on. */
static double follow(const struct case_of *c, const uint32_t *prefix, uint32_t length,
                     struct ctc_state *state)
{
    struct ctc_scores scores = scores_of(c);
    float either[MAX_STEPS], blank[MAX_STEPS];
    struct ctc_state next = {either, blank};
    double score = 0;
    ctc_prefix_start(&scores, state);
    for (uint32_t i = 0; i < length; i++) {
        uint32_t last = i > 0 ? prefix[i - 1] : NO_LAST_TOKEN;
        score = (double)ctc_prefix_score(&scores, state, last, prefix[i]);
        ctc_prefix_extend(&scores, state, last, prefix[i], &next);
        memcpy(state->either, either, c->steps * sizeof(float));
        memcpy(state->blank, blank, c->steps * sizeof(float));
    }
    return score;
}

static void check_prefix(const struct case_of *c, const uint32_t *prefix, uint32_t length)
{
    struct ctc_scores scores = scores_of(c);
    float either[MAX_STEPS], blank[MAX_STEPS];
    struct ctc_state state = {either, blank};
    double starts, is;
    double score = follow(c, prefix, length, &state);
    double end = (double)ctc_prefix_end(&scores, &state);
    brute_force(c, prefix, length, &starts, &is);
    CU_ASSERT(close_to(score, starts));
    CU_ASSERT(close_to(end, is));
    /* What a text that starts so goes on with, or that it ends, is all that it can do. */
    double sum = exp(end);
    for (uint32_t v = 0; v < VOCABULARY; v++)
        if (v != c->blank)
            sum += exp((double)ctc_prefix_score(&scores, &state,
                                                length ? prefix[length - 1] : NO_LAST_TOKEN, v));
    CU_ASSERT(fabs(sum - starts) < TOLERANCE);
}

/* All texts of up to three tokens, those with repeats among them, with the blank in any place. */
static void test_against_all_paths(void)
{
    srand(11);
    printf("(seed 11) ");
    for (uint32_t round = 0; round < 12; round++) {
        struct case_of c = {.steps = 1 + round % MAX_STEPS, .blank = round % VOCABULARY};
        fill(&c);
        for (uint32_t number = 0; number < 1 + 4 + 16 + 64; number++) {
            uint32_t prefix[3], length = number < 1 ? 0 : number < 5 ? 1 : number < 21 ? 2 : 3;
            uint32_t rest = number - (length == 3 ? 21 : length == 2 ? 5 : length);
            bool valid = true;
            for (uint32_t i = 0; i < length; i++, rest /= VOCABULARY) {
                prefix[i] = rest % VOCABULARY;
                valid &= prefix[i] != c.blank;
            }
            if (valid)
                check_prefix(&c, prefix, length);
        }
    }
}

/* Longer than the sound: no path says it. */
static void test_more_tokens_than_steps(void)
{
    struct case_of c = {.steps = 2, .blank = 0};
    float either[MAX_STEPS], blank[MAX_STEPS];
    struct ctc_state state = {either, blank};
    fill(&c);
    struct ctc_scores scores = scores_of(&c);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1, 2, 3}, 3, &state), -INFINITY);
    EXPECT_EQUAL(ctc_prefix_end(&scores, &state), -INFINITY);
    /* A repeat needs a third step for the blank between. */
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1, 1}, 2, &state), -INFINITY);
    CU_ASSERT(isfinite(follow(&c, (const uint32_t[]){1, 2}, 2, &state)));
}

/* Impossible tokens, log 0, give no NaN. */
static void test_impossible_tokens(void)
{
    struct case_of c = {.steps = 4, .blank = 3};
    float either[MAX_STEPS], blank[MAX_STEPS];
    struct ctc_state state = {either, blank};
    for (uint32_t i = 0; i < c.steps * VOCABULARY; i++)
        c.log_probabilities[i] = -INFINITY;
    for (uint32_t t = 0; t < c.steps; t++)
        c.log_probabilities[t * VOCABULARY + (t < 2 ? 1 : 2)] = 0;
    struct ctc_scores scores = scores_of(&c);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1}, 1, &state), 0);
    EXPECT_EQUAL(ctc_prefix_end(&scores, &state), -INFINITY);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1, 2}, 2, &state), 0);
    EXPECT_EQUAL(ctc_prefix_end(&scores, &state), 0);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){2}, 1, &state), -INFINITY);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1, 1}, 2, &state), -INFINITY);
    EXPECT_EQUAL(follow(&c, (const uint32_t[]){1, 0}, 2, &state), -INFINITY);
}

/* Over many steps the sums lose little: one token somewhere among blanks, 700 steps. */
static void test_long_sound(void)
{
    enum { STEPS = 700 };
    static float log_probabilities[STEPS * VOCABULARY], either[STEPS], blank[STEPS];
    struct ctc_scores scores = {log_probabilities, STEPS, VOCABULARY, 0};
    struct ctc_state empty = {either, blank};
    double p = 1.0 / STEPS, none = 1 - 3 * p;
    for (uint32_t i = 0; i < STEPS * VOCABULARY; i++)
        log_probabilities[i] = (float)log(i % VOCABULARY ? p : none);
    ctc_prefix_start(&scores, &empty);
    double all = exp((double)ctc_prefix_end(&scores, &empty));
    CU_ASSERT(fabs(all - pow(none, STEPS)) < 1e-4);
    for (uint32_t v = 1; v < VOCABULARY; v++)
        all += exp((double)ctc_prefix_score(&scores, &empty, NO_LAST_TOKEN, v));
    CU_ASSERT(fabs(all - 1) < 1e-3);
}

void add_ctc_prefix_tests(void)
{
    CU_pSuite suite = CU_add_suite("ctc_prefix", NULL, NULL);
    CU_ADD_TEST(suite, test_against_all_paths);
    CU_ADD_TEST(suite, test_more_tokens_than_steps);
    CU_ADD_TEST(suite, test_impossible_tokens);
    CU_ADD_TEST(suite, test_long_sound);
}
