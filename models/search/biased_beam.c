// SPDX-License-Identifier: MIT
#include "models/search/beam_search_private.h"

#include <math.h>
#include <stdlib.h>

/*
 * Share that what is still to be written of a word counts among candidates: with none, long words
 * are not begun (64 % found of the rare words of 60 clips at a boost of 0.5 and 69 % with this);
 * with all of it, those that are begun in vain fill the beam (39 % at 0.4, and 58 %).
 */
#define HOPE 0.3f

/* A biased candidate and what it may come to. */
struct hope {
    struct candidate candidate;
    float score;
};

struct biased_beam {
    uint32_t *tokens;         /* [2 · vocabulary]: what custom_words_reach gives */
    float *log_probabilities; /* [live hypotheses, vocabulary] */
    struct hope best[BIASED_BEAM_WIDTH];
    uint32_t count;
};

bool biased_beam_init(struct search *s)
{
    if (!s->options->words)
        return true;
    size_t vocabulary = s->network->parameters.speller.vocabulary;
    s->biased = calloc(1, sizeof(*s->biased));
    if (!s->biased)
        return false;
    s->biased->tokens = malloc(2 * vocabulary * sizeof(*s->biased->tokens));
    s->biased->log_probabilities =
        malloc(s->rows * vocabulary * sizeof(*s->biased->log_probabilities));
    return s->biased->tokens && s->biased->log_probabilities;
}

void biased_beam_finish(struct search *s)
{
    if (!s->biased)
        return;
    free(s->biased->tokens);
    free(s->biased->log_probabilities);
    free(s->biased);
}

static float worth(const struct search *s, uint32_t characters)
{
    return s->options->word_boost * (float)characters;
}

void biased_beam_score(const struct search *s, struct candidate *c)
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
    c->is_biased = from->is_biased;
    c->in_phrase = from->in_phrase && c->bonus <= from->bonus;
}

bool biased_beam_read_scores(struct search *s, struct hearken_matrix log_probabilities)
{
    if (s->biased)
        pass_read(s->pass, log_probabilities, s->biased->log_probabilities);
    return s->pass->error == 0;
}

/* ---- Who joins the biased beam ---- */

static bool is_chosen(const uint32_t *parents, const uint32_t *tokens, uint32_t chosen,
                      uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < chosen; i++)
        if (parents[i] == parent && tokens[i] == token)
            return true;
    return false;
}

static bool is_waiting(const struct biased_beam *biased, uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < biased->count; i++)
        if (biased->best[i].candidate.parent == parent && biased->best[i].candidate.token == token)
            return true;
    return false;
}

/* Keeps the best, in order. */
static void queue_up(struct biased_beam *biased, const struct hope *hope)
{
    if (biased->count == BIASED_BEAM_WIDTH &&
        hope->score <= biased->best[BIASED_BEAM_WIDTH - 1].score)
        return;
    uint32_t at = biased->count < BIASED_BEAM_WIDTH ? biased->count++ : BIASED_BEAM_WIDTH - 1;
    for (; at > 0 && biased->best[at - 1].score < hope->score; at--)
        biased->best[at] = biased->best[at - 1];
    biased->best[at] = *hope;
}

/* Whether the token may reach the floor, by what can be told without looking at its text. */
static bool may_reach(const struct search *s, const struct hypothesis *h, float log_probability,
                      float floor)
{
    const struct custom_words *words = s->options->words;
    uint32_t most = custom_words_earned(words, h->match) + custom_words_longest(words);
    float score = search_combine_scores(s, h->speller_score + log_probability, h->ctc_score);
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
        queue_up(s->biased, &hope);
}

/* The token is within a word, or begins one. No prefix has a higher CTC score than its start, so
 * that is worked out only for what may come in with its start's: it takes longest. */
static void hope_for(struct search *s, uint32_t row, uint32_t token, float log_probability,
                     float floor)
{
    const struct hypothesis *h = &s->live[row];
    const struct biased_beam *biased = s->biased;
    struct candidate candidate = {
        .parent = row,
        .token = token,
        .log_probability = log_probability,
        .score = search_combine_scores(s, h->speller_score + log_probability, h->ctc_score),
    };
    biased_beam_score(s, &candidate);
    candidate.is_biased = true;
    candidate.in_phrase = candidate.bonus <= h->bonus && (h->in_phrase || !h->is_biased);
    float most = hope_of(s, &candidate);
    if (!custom_words_within(candidate.match) || most < floor ||
        (biased->count == BIASED_BEAM_WIDTH && most <= biased->best[BIASED_BEAM_WIDTH - 1].score))
        return;
    candidate.ctc_score = search_score_ctc(s, h, token);
    candidate.score =
        search_combine_scores(s, h->speller_score + log_probability, candidate.ctc_score);
    take_hope(s, &candidate, floor);
}

/* Behind a word that is left before its end there is nothing to hope for. */
static bool may_begin_others(const struct search *s, const struct hypothesis *h)
{
    const struct custom_words *words = s->options->words;
    return !h->in_phrase ||
           custom_words_earned_at_end(words, h->match) > custom_words_earned(words, h->match);
}

static void look_for_words(struct search *s, uint32_t row, uint32_t chosen, float floor,
                           const uint32_t *parents, const uint32_t *tokens)
{
    const struct hypothesis *h = &s->live[row];
    struct biased_beam *biased = s->biased;
    const float *log_probabilities =
        biased->log_probabilities + (size_t)row * s->network->parameters.speller.vocabulary;
    uint32_t count =
        custom_words_reach(s->options->words, h->match, may_begin_others(s, h), biased->tokens);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = biased->tokens[i];
        if (may_reach(s, h, log_probabilities[token], floor) &&
            !is_chosen(parents, tokens, chosen, row, token) && !is_waiting(biased, row, token))
            hope_for(s, row, token, log_probabilities[token], floor);
    }
}

/* Biased hypotheses go on with any token, or end, but do not leave a word that they were let in
 * for.
 */
static void go_on(struct search *s, float floor, uint32_t first_row)
{
    uint32_t count = search_expand(s, s->beam_count, s->live_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct candidate *c = &s->candidates[i];
        struct hypothesis *h = &s->live[c->parent];
        if (c->in_phrase)
            continue;
        if (!search_is_end(s, c->token)) {
            take_hope(s, c, floor);
        } else if (c->score + c->bonus >= floor) {
            h->alignment_rows[h->count] = first_row + c->parent;
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
    float score = search_combine_scores(s, best->speller_score, best->ctc_score);
    float bonus = hope->score - hope->candidate.score;
    return search_final_score(s, hope->candidate.score, bonus,
                              s->live[hope->candidate.parent].count) >
           search_final_score(s, score, best->bonus, best->count);
}

uint32_t biased_beam_select(struct search *s, uint32_t chosen, float floor, uint32_t first_row,
                            uint32_t *parents, uint32_t *tokens)
{
    struct biased_beam *biased = s->biased;
    bool done = chosen == 0;
    if (!biased)
        return chosen;
    biased->count = 0;
    go_on(s, floor, first_row);
    for (uint32_t row = 0; row < s->live_count; row++)
        look_for_words(s, row, chosen, floor, parents, tokens);
    for (uint32_t i = 0; i < biased->count; i++) {
        const struct candidate *c = &biased->best[i].candidate;
        if ((done && !may_still_win(s, &biased->best[i])) ||
            !search_extend(s, &s->next[chosen], c, first_row + c->parent))
            continue;
        parents[chosen] = c->parent;
        tokens[chosen++] = c->token;
    }
    return chosen;
}

bool biased_beam_is_reachable(struct search *s, float score)
{
    s->biased->count = 0;
    look_for_words(s, 0, 0, score, NULL, NULL);
    return s->biased->count > 0;
}
