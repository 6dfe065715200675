// SPDX-License-Identifier: MIT
#include "lane.h"

#include <math.h>
#include <stdlib.h>

/*
 * Share that what is still to be written of a word counts among candidates: with none, long words
 * are not begun (64 % found of the rare words of 60 clips at a boost of 0.5 and 69 % with this);
 * with all of it, those that are begun in vain fill the lane (39 % at 0.4, and 58 %).
 */
#define HOPE 0.3f

/* A candidate of the lane and what it may come to. */
struct hope {
    struct candidate candidate;
    float score;
};

struct lane {
    uint32_t *tokens;         /* [2 · vocabulary]: what custom_words_reach gives */
    float *log_probabilities; /* [live hypotheses, vocabulary] */
    struct hope best[LANE_WIDTH];
    uint32_t count;
};

bool lane_init(struct search *s)
{
    if (!s->options->words)
        return true;
    size_t vocabulary = s->network->parameters.speller.vocabulary;
    s->lane = calloc(1, sizeof(*s->lane));
    if (!s->lane)
        return false;
    s->lane->tokens = malloc(2 * vocabulary * sizeof(*s->lane->tokens));
    s->lane->log_probabilities = malloc(s->rows * vocabulary * sizeof(*s->lane->log_probabilities));
    return s->lane->tokens && s->lane->log_probabilities;
}

void lane_finish(struct search *s)
{
    if (!s->lane)
        return;
    free(s->lane->tokens);
    free(s->lane->log_probabilities);
    free(s->lane);
}

static float worth(const struct search *s, uint32_t characters)
{
    return s->options->word_boost * (float)characters;
}

void lane_rate(const struct search *s, struct candidate *c)
{
    const struct custom_words *words = s->options->words;
    if (!words)
        return;
    const struct hypothesis *from = &s->live[c->parent];
    uint32_t now;
    c->match = from->match;
    if (search_is_end(s, c->token)) {
        now = custom_words_earned_at_end(words, from->match);
    } else {
        c->match = custom_words_advance(words, from->match, c->token);
        now = custom_words_earned(words, c->match);
    }
    c->bonus = worth(s, now);
    c->favoured = from->favoured;
    c->strays = from->strays && c->bonus <= from->bonus;
}

bool lane_read(struct search *s, struct hearken_matrix log_probabilities)
{
    if (s->lane)
        pass_read(s->pass, log_probabilities, s->lane->log_probabilities);
    return s->pass->error == 0;
}

/* ---- Who goes in the lane ---- */

static bool is_chosen(const uint32_t *parents, const uint32_t *tokens, uint32_t chosen,
                      uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < chosen; i++)
        if (parents[i] == parent && tokens[i] == token)
            return true;
    return false;
}

static bool is_waiting(const struct lane *lane, uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->best[i].candidate.parent == parent && lane->best[i].candidate.token == token)
            return true;
    return false;
}

/* Keeps the best, in order. */
static void queue_up(struct lane *lane, const struct hope *hope)
{
    if (lane->count == LANE_WIDTH && hope->score <= lane->best[LANE_WIDTH - 1].score)
        return;
    uint32_t at = lane->count < LANE_WIDTH ? lane->count++ : LANE_WIDTH - 1;
    for (; at > 0 && lane->best[at - 1].score < hope->score; at--)
        lane->best[at] = lane->best[at - 1];
    lane->best[at] = *hope;
}

/* Whether the token may reach the floor, by what can be told without looking at its text. */
static bool may_reach(const struct search *s, const struct hypothesis *h, float log_probability,
                      float floor)
{
    const struct custom_words *words = s->options->words;
    uint32_t most = custom_words_earned(words, h->match) + custom_words_longest(words);
    float score = search_weigh(s, h->speller_score + log_probability, h->ctc_score);
    return log_probability > -INFINITY && score + worth(s, most) >= floor;
}

static float hope_of(const struct search *s, const struct candidate *candidate)
{
    const struct custom_words *words = s->options->words;
    float written = worth(s, custom_words_written(words, candidate->match));
    float hoped = fmaxf(written, worth(s, custom_words_hoped(words, candidate->match)));
    return candidate->score + written + HOPE * (hoped - written);
}

static void take_hope(struct search *s, const struct candidate *candidate, float floor)
{
    const struct hope hope = {*candidate, hope_of(s, candidate)};
    if (hope.score >= floor)
        queue_up(s->lane, &hope);
}

/* The token is within a word, or begins one. No prefix has a higher CTC score than its start, so
 * that is worked out only for what may come in with its start's: it takes longest. */
static void hope_for(struct search *s, uint32_t row, uint32_t token, float log_probability,
                     float floor)
{
    const struct hypothesis *h = &s->live[row];
    const struct lane *lane = s->lane;
    struct candidate candidate = {
        .parent = row,
        .token = token,
        .log_probability = log_probability,
        .score = search_weigh(s, h->speller_score + log_probability, h->ctc_score),
    };
    lane_rate(s, &candidate);
    candidate.favoured = true;
    candidate.strays = candidate.bonus <= h->bonus && (h->strays || !h->favoured);
    float most = hope_of(s, &candidate);
    if (!custom_words_within(candidate.match) || most < floor ||
        (lane->count == LANE_WIDTH && most <= lane->best[LANE_WIDTH - 1].score))
        return;
    candidate.ctc_score = search_score_ctc(s, h, token);
    candidate.score = search_weigh(s, h->speller_score + log_probability, candidate.ctc_score);
    take_hope(s, &candidate, floor);
}

/* Behind a word that is left before its end there is nothing to hope for. */
static bool may_begin_others(const struct search *s, const struct hypothesis *h)
{
    const struct custom_words *words = s->options->words;
    return !h->strays ||
           custom_words_earned_at_end(words, h->match) > custom_words_earned(words, h->match);
}

static void look_for_words(struct search *s, uint32_t row, uint32_t chosen, float floor,
                           const uint32_t *parents, const uint32_t *tokens)
{
    const struct hypothesis *h = &s->live[row];
    struct lane *lane = s->lane;
    const float *log_probabilities =
        lane->log_probabilities + (size_t)row * s->network->parameters.speller.vocabulary;
    uint32_t count =
        custom_words_reach(s->options->words, h->match, may_begin_others(s, h), lane->tokens);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = lane->tokens[i];
        if (may_reach(s, h, log_probabilities[token], floor) &&
            !is_chosen(parents, tokens, chosen, row, token) && !is_waiting(lane, row, token))
            hope_for(s, row, token, log_probabilities[token], floor);
    }
}

/* Those in the lane go on with any token, or end, but do not leave a word that they were let in
 * for.
 */
static void go_on(struct search *s, float floor, uint32_t first_look)
{
    uint32_t count = search_gather(s, s->beam_count, s->live_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct candidate *c = &s->candidates[i];
        struct hypothesis *h = &s->live[c->parent];
        if (c->strays)
            continue;
        if (!search_is_end(s, c->token)) {
            take_hope(s, c, floor);
        } else if (c->score + c->bonus >= floor) {
            h->looks[h->count] = first_look + c->parent;
            search_end(s, h, c);
        }
    }
}

/* ---- Choosing ---- */

/* Once the beam is done: whether the candidate may come to be better than what has ended. */
static bool may_still_win(const struct search *s, const struct hope *hope)
{
    const struct hypothesis *best = search_best(s);
    if (!best)
        return true;
    float score = search_weigh(s, best->speller_score, best->ctc_score);
    float bonus = hope->score - hope->candidate.score;
    return search_worth(s, hope->candidate.score, bonus, s->live[hope->candidate.parent].count) >
           search_worth(s, score, best->bonus, best->count);
}

uint32_t lane_choose(struct search *s, uint32_t chosen, float floor, uint32_t first_look,
                     uint32_t *parents, uint32_t *tokens)
{
    struct lane *lane = s->lane;
    bool done = chosen == 0;
    if (!lane)
        return chosen;
    lane->count = 0;
    go_on(s, floor, first_look);
    for (uint32_t row = 0; row < s->live_count; row++)
        look_for_words(s, row, chosen, floor, parents, tokens);
    for (uint32_t i = 0; i < lane->count; i++) {
        const struct candidate *c = &lane->best[i].candidate;
        if ((done && !may_still_win(s, &lane->best[i])) ||
            !search_extend(s, &s->next[chosen], c, first_look + c->parent))
            continue;
        parents[chosen] = c->parent;
        tokens[chosen++] = c->token;
    }
    return chosen;
}

bool lane_is_near(struct search *s, float score)
{
    s->lane->count = 0;
    look_for_words(s, 0, 0, score, NULL, NULL);
    return s->lane->count > 0;
}
