// SPDX-License-Identifier: MIT
#include "models/search/beam_search_private.h"

#include <math.h>
#include <stdlib.h>

/*
 * Share of the bonus still in reach that counts towards the rank of a candidate. With none, long
 * words are not begun: of the rare words in 60 clips 64 % are found at a boost of 0.5, and 69 %
 * with this share. With all of it, words begun in vain fill the beam: 39 % at a boost of 0.4, and
 * 58 % with this share.
 */
#define LOOKAHEAD_SHARE 0.3f

/* A custom word takes at least so much time after another one. */
#define WORD_SECONDS 0.1

/*
 * A candidate for the biased beam. `score` includes its bonus and LOOKAHEAD_SHARE of the bonus in
 * reach.
 */
struct biased_candidate {
    struct candidate candidate;
    float score;
};

struct biased_beam {
    uint32_t *tokens;         /* [2 · vocabulary]: result of custom_words_continuations */
    float *log_probabilities; /* [live hypotheses, vocabulary] */
    struct biased_candidate best[BIASED_BEAM_WIDTH];
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

static float bonus_of(const struct search *s, uint32_t characters)
{
    return s->options->word_boost * (float)characters;
}

/*
 * Sets the bonus for the characters earned. The attention must have moved on since the last custom
 * word: the bonus of one that is written again and again, without sound, would outweigh its
 * improbability.
 */
static void count_bonus(const struct search *s, const struct hypothesis *from, uint32_t earned,
                        struct candidate *c)
{
    uint32_t before = custom_words_earned(s->options->words, from->match);
    uint32_t reached = from->attention.furthest;
    bool moved = s->audio_steps == 0 || from->bonus <= 0 ||
                 (reached - from->earned_step) * s->options->step_seconds >= WORD_SECONDS;
    bool rises = earned > before;
    c->forfeited = from->forfeited + (rises && !moved ? earned - before : 0);
    c->earned_step = rises && moved ? reached : from->earned_step;
    c->bonus = bonus_of(s, earned > c->forfeited ? earned - c->forfeited : 0);
}

void biased_beam_score(const struct search *s, struct candidate *c)
{
    const struct custom_words *words = s->options->words;
    if (!words)
        return;
    const struct hypothesis *from = &s->live[c->parent];
    uint32_t earned;
    c->match = from->match;
    if (search_is_end(s, c->token)) {
        earned = custom_words_earned_at_end(words, from->match);
    } else {
        c->match = custom_words_advance(words, from->match, c->token);
        earned = custom_words_earned(words, c->match);
    }
    count_bonus(s, from, earned, c);
    c->is_biased = from->is_biased;
    c->in_phrase = from->in_phrase && c->bonus <= from->bonus;
}

bool biased_beam_read_scores(struct search *s, struct hearken_matrix log_probabilities)
{
    if (s->biased)
        pass_read(s->pass, log_probabilities, s->biased->log_probabilities);
    return s->pass->error == 0;
}

/* ---- Listed text only ---- */

/* Keeps the best of a row, sorted. */
static void insert_token(struct search *s, uint32_t row, uint32_t token)
{
    size_t vocabulary = s->network->parameters.speller.vocabulary;
    float value = s->biased->log_probabilities[row * vocabulary + token];
    float *values = s->values + (size_t)row * s->top_k;
    uint32_t *columns = s->columns + (size_t)row * s->top_k;
    uint32_t at = s->top_k - 1;
    if (!(value > values[at]))
        return;
    for (; at > 0 && values[at - 1] < value; at--) {
        values[at] = values[at - 1];
        columns[at] = columns[at - 1];
    }
    values[at] = value;
    columns[at] = token;
}

void biased_beam_top_listed(struct search *s, struct hearken_matrix log_probabilities)
{
    const struct custom_words *words = s->options->words;
    if (!biased_beam_read_scores(s, log_probabilities))
        return;
    for (uint32_t row = 0; row < s->live_count; row++) {
        const struct hypothesis *h = &s->live[row];
        bool within = custom_words_within(h->match);
        bool whole = custom_words_is_whole(words, h->match);
        uint32_t count;
        for (uint32_t i = 0; i < s->top_k; i++)
            s->values[(size_t)row * s->top_k + i] = -INFINITY;
        if (h->count == 0 || within) {
            count = custom_words_continuations(words, h->match, h->count == 0, s->biased->tokens);
            for (uint32_t i = 0; i < count; i++)
                insert_token(s, row, s->biased->tokens[i]);
        }
        if (whole) {
            const uint32_t *marks = custom_words_marks(words, &count);
            for (uint32_t i = 0; i < count; i++)
                insert_token(s, row, marks[i]);
        }
        /* Behind a mark the text can only end. */
        if (whole || (h->count > 0 && !within))
            insert_token(s, row, s->network->parameters.speller.end);
    }
}

/* ---- Candidates of the biased beam ---- */

static bool is_chosen(const uint32_t *parents, const uint32_t *tokens, uint32_t chosen,
                      uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < chosen; i++)
        if (parents[i] == parent && tokens[i] == token)
            return true;
    return false;
}

static bool is_queued(const struct biased_beam *biased, uint32_t parent, uint32_t token)
{
    for (uint32_t i = 0; i < biased->count; i++)
        if (biased->best[i].candidate.parent == parent && biased->best[i].candidate.token == token)
            return true;
    return false;
}

/* Keeps the best BIASED_BEAM_WIDTH, sorted. */
static void insert_candidate(struct biased_beam *biased, const struct biased_candidate *entry)
{
    if (biased->count == BIASED_BEAM_WIDTH &&
        entry->score <= biased->best[BIASED_BEAM_WIDTH - 1].score)
        return;
    uint32_t at = biased->count < BIASED_BEAM_WIDTH ? biased->count++ : BIASED_BEAM_WIDTH - 1;
    for (; at > 0 && biased->best[at - 1].score < entry->score; at--)
        biased->best[at] = biased->best[at - 1];
    biased->best[at] = *entry;
}

/*
 * Whether the score may reach the floor: an upper bound that does not need the text of the token.
 */
static bool may_reach_floor(const struct search *s, const struct hypothesis *h,
                            float log_probability, float floor)
{
    const struct custom_words *words = s->options->words;
    uint32_t upper_bound =
        custom_words_earned(words, h->match) + custom_words_max_characters(words);
    float score = search_combine_scores(s, h->speller_score + log_probability, h->ctc_score);
    return log_probability > -INFINITY && score + bonus_of(s, upper_bound) >= floor;
}

static float priority_of(const struct search *s, const struct candidate *candidate)
{
    const struct custom_words *words = s->options->words;
    float written = bonus_of(s, custom_words_written(words, candidate->match));
    float potential = fmaxf(written, bonus_of(s, custom_words_potential(words, candidate->match)));
    return candidate->score + written + LOOKAHEAD_SHARE * (potential - written);
}

static void add_candidate(struct search *s, const struct candidate *candidate, float floor)
{
    const struct biased_candidate entry = {*candidate, priority_of(s, candidate)};
    if (entry.score >= floor)
        insert_candidate(s->biased, &entry);
}

/*
 * Adds a token that begins or continues a custom word. A prefix never has a higher CTC score than
 * its own start, so the expensive CTC score is computed only if the candidate would qualify with
 * that of its start.
 */
static void add_word_candidate(struct search *s, uint32_t row, uint32_t token,
                               float log_probability, float floor)
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
    float upper_bound = priority_of(s, &candidate);
    if (!custom_words_within(candidate.match) || upper_bound < floor ||
        (biased->count == BIASED_BEAM_WIDTH &&
         upper_bound <= biased->best[BIASED_BEAM_WIDTH - 1].score))
        return;
    candidate.ctc_score = search_score_ctc(s, h, token);
    candidate.score =
        search_combine_scores(s, h->speller_score + log_probability, candidate.ctc_score);
    add_candidate(s, &candidate, floor);
}

/* Whether another custom word may begin here: not while a word is incomplete. */
static bool may_begin_word(const struct search *s, const struct hypothesis *h)
{
    const struct custom_words *words = s->options->words;
    return !h->in_phrase ||
           custom_words_earned_at_end(words, h->match) > custom_words_earned(words, h->match);
}

static void find_word_candidates(struct search *s, uint32_t row, uint32_t chosen, float floor,
                                 const uint32_t *parents, const uint32_t *tokens)
{
    const struct hypothesis *h = &s->live[row];
    struct biased_beam *biased = s->biased;
    const float *log_probabilities =
        biased->log_probabilities + (size_t)row * s->network->parameters.speller.vocabulary;
    uint32_t count = custom_words_continuations(s->options->words, h->match, may_begin_word(s, h),
                                                biased->tokens);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = biased->tokens[i];
        if (may_reach_floor(s, h, log_probabilities[token], floor) &&
            !is_chosen(parents, tokens, chosen, row, token) && !is_queued(biased, row, token))
            add_word_candidate(s, row, token, log_probabilities[token], floor);
    }
}

/*
 * Extends biased hypotheses with any token, or ends them, unless they leave the custom word that
 * admitted them.
 */
static void extend_biased(struct search *s, float floor, uint32_t first_row)
{
    uint32_t count = search_expand(s, s->beam_count, s->live_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct candidate *c = &s->candidates[i];
        struct hypothesis *h = &s->live[c->parent];
        if (c->in_phrase)
            continue;
        if (!search_is_end(s, c->token)) {
            add_candidate(s, c, floor);
        } else if (c->score + c->bonus >= floor) {
            h->alignment_rows[h->count] = first_row + c->parent;
            search_end(s, h, c);
        }
    }
}

/* ---- Selection ---- */

/* Whether the candidate may still beat the best ended hypothesis. */
static bool may_still_win(const struct search *s, const struct biased_candidate *entry)
{
    const struct hypothesis *best = search_best(s);
    if (!best)
        return true;
    float score = search_combine_scores(s, best->speller_score, best->ctc_score);
    float bonus = entry->score - entry->candidate.score;
    return search_final_score(s, entry->candidate.score, bonus,
                              s->live[entry->candidate.parent].count) >
           search_final_score(s, score, best->bonus, best->count);
}

uint32_t biased_beam_select(struct search *s, uint32_t chosen, float floor, uint32_t first_row,
                            uint32_t *parents, uint32_t *tokens)
{
    struct biased_beam *biased = s->biased;
    bool done = chosen == 0;
    if (!biased || s->options->listed_only)
        return chosen;
    biased->count = 0;
    extend_biased(s, floor, first_row);
    for (uint32_t row = 0; row < s->live_count; row++)
        find_word_candidates(s, row, chosen, floor, parents, tokens);
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
    find_word_candidates(s, 0, 0, score, NULL, NULL);
    return s->biased->count > 0;
}
