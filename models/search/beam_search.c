// SPDX-License-Identifier: MIT
#include "models/search/beam_search_private.h"
#include "models/search/timestamp_rules.h"
#include "models/search/token_scores.h"
#include "models/text/transcript_merge.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Candidates per hypothesis as a multiple of the width, so that the beam stays full when hypotheses
 * end.
 */
#define CANDIDATES_PER_HYPOTHESIS 2u
/*
 * A recurrent speller may end only if log p(end) ≥ END_THRESHOLD · log p(best other token) (Hannun
 * et al., 2019, "Sequence-to-Sequence Speech Recognition with Time-Depth Separable Convolutions",
 * section 3.3). Its attention tends to skip; Whisper's does not.
 */
#define END_THRESHOLD 1.5f

/*
 * Share of the bonus that counts when listed texts compete with each other: without it "no" beats
 * unclear phrases; with all of it, long words beat short ones (docs/accuracy.md).
 */
#define LISTED_BONUS_SHARE 0.33f

/*
 * Best tokens read per row of a draft: enough for the best one, and the best one other than the
 * end.
 */
#define DRAFT_TOP_K 2u

/*
 * With `prunes` a hypothesis is dropped if it is less likely by PRUNING_MARGIN than the best one
 * that goes on; if it differs from a better one only before its last PRUNING_TOKENS tokens, as both
 * would go on alike; or if an ended text is better even were its next CERTAIN_TOKENS tokens certain
 * (docs/accuracy.md).
 */
#define PRUNING_MARGIN 2.0f
#define PRUNING_TOKENS 4u
#define CERTAIN_TOKENS 8u

/* ---- Memory ---- */

static bool hypothesis_init(struct hypothesis *h, const struct search *s)
{
    size_t tokens = (size_t)s->options->max_tokens + 1;
    h->tokens = calloc(tokens, sizeof(*h->tokens));
    h->log_probabilities = calloc(tokens, sizeof(*h->log_probabilities));
    h->alignment_rows = calloc(tokens, sizeof(*h->alignment_rows));
    if (s->ctc) {
        h->ctc.either = calloc(s->steps, sizeof(float));
        h->ctc.blank = calloc(s->steps, sizeof(float));
        if (!h->ctc.either || !h->ctc.blank)
            return false;
    }
    return h->tokens && h->log_probabilities && h->alignment_rows;
}

static void hypothesis_finish(struct hypothesis *h)
{
    free(h->tokens);
    free(h->log_probabilities);
    free(h->alignment_rows);
    free(h->ctc.either);
    free(h->ctc.blank);
}

static bool search_init(struct search *s)
{
    size_t top_k = s->top_k;
    size_t rows = s->rows = s->options->width + (s->options->words ? BIASED_BEAM_WIDTH : 0);
    s->live = calloc(rows, sizeof(*s->live));
    s->next = calloc(rows, sizeof(*s->next));
    s->ended = calloc(rows, sizeof(*s->ended));
    s->candidates = calloc(rows * top_k, sizeof(*s->candidates));
    s->values = calloc(rows * top_k, sizeof(*s->values));
    s->columns = calloc(rows * top_k, sizeof(*s->columns));
    if (!s->live || !s->next || !s->ended || !s->candidates || !s->values || !s->columns ||
        !biased_beam_init(s))
        return false;
    for (size_t i = 0; i < rows; i++)
        if (!hypothesis_init(&s->live[i], s) || !hypothesis_init(&s->next[i], s) ||
            !hypothesis_init(&s->ended[i], s))
            return false;
    return true;
}

static void search_finish(struct search *s)
{
    for (uint32_t i = 0; i < s->rows; i++) {
        if (s->live)
            hypothesis_finish(&s->live[i]);
        if (s->next)
            hypothesis_finish(&s->next[i]);
        if (s->ended)
            hypothesis_finish(&s->ended[i]);
    }
    free(s->live);
    free(s->next);
    free(s->ended);
    free(s->candidates);
    free(s->values);
    free(s->columns);
    free(s->alignments);
    biased_beam_finish(s);
}

/* ---- Hypotheses ---- */

static void copy_hypothesis(struct hypothesis *to, const struct hypothesis *from,
                            const struct search *s)
{
    memcpy(to->tokens, from->tokens, from->count * sizeof(*to->tokens));
    memcpy(to->log_probabilities, from->log_probabilities,
           from->count * sizeof(*to->log_probabilities));
    /* One row more than tokens: that of the end. */
    memcpy(to->alignment_rows, from->alignment_rows,
           (from->count + 1) * sizeof(*to->alignment_rows));
    to->count = from->count;
    to->speller_score = from->speller_score;
    to->ctc_score = from->ctc_score;
    to->attention = from->attention;
    to->match = from->match;
    to->bonus = from->bonus;
    to->forfeited = from->forfeited;
    to->earned_step = from->earned_step;
    to->is_biased = from->is_biased;
    to->in_phrase = from->in_phrase;
    to->stopped = from->stopped;
    if (s->ctc) {
        memcpy(to->ctc.either, from->ctc.either, s->steps * sizeof(float));
        memcpy(to->ctc.blank, from->ctc.blank, s->steps * sizeof(float));
    }
}

float search_combine_scores(const struct search *s, float speller_score, float ctc_score)
{
    if (!s->ctc)
        return speller_score;
    float weight = s->options->ctc_weight;
    return (1 - weight) * speller_score + weight * ctc_score;
}

/* Divides by length^penalty. The end counts as a token, except with `exact`. */
static float normalise_length(const struct search *s, float score, uint32_t count)
{
    uint32_t length = s->options->exact && count > 0 ? count : count + 1;
    return score / powf((float)length, s->options->length_penalty);
}

static float plain_score(const struct search *s, const struct hypothesis *h)
{
    return normalise_length(s, search_combine_scores(s, h->speller_score, h->ctc_score), h->count);
}

/* The best ended text of the plain beam, or NULL. */
static const struct hypothesis *best_plain(const struct search *s)
{
    const struct hypothesis *best = NULL;
    for (uint32_t i = 0; i < s->ended_count; i++)
        if (!best || plain_score(s, &s->ended[i]) > plain_score(s, best))
            best = &s->ended[i];
    return best;
}

float search_final_score(const struct search *s, float score, float bonus, uint32_t count)
{
    const struct hypothesis *best = bonus > 0 ? best_plain(s) : NULL;
    uint32_t longer = best && best->count > count ? best->count : count;
    return normalise_length(s, score, count) + normalise_length(s, bonus, longer);
}

static float biased_score(const struct search *s, const struct hypothesis *h)
{
    float score = search_combine_scores(s, h->speller_score, h->ctc_score);
    return search_final_score(s, score, h->bonus, h->count);
}

/* The score by which hypotheses of one beam are ranked: only the biased beam counts the bonus. */
static float ranking_score(const struct search *s, const struct hypothesis *h)
{
    return h->is_biased ? biased_score(s, h) : plain_score(s, h);
}

/* Keeps the best ended hypotheses, as many as the width of their beam. */
void search_end(struct search *s, const struct hypothesis *h, const struct candidate *with)
{
    uint32_t most = h->is_biased ? BIASED_BEAM_WIDTH : s->options->width;
    uint32_t *count = h->is_biased ? &s->biased_ended_count : &s->ended_count;
    struct hypothesis *ended = h->is_biased ? s->ended + s->options->width : s->ended;
    struct hypothesis *to = &ended[*count];
    struct hypothesis completed = *h;
    completed.stopped = !with;
    if (with) {
        completed.speller_score += with->log_probability;
        completed.ctc_score = with->ctc_score;
        completed.bonus = with->bonus;
    }
    if (*count == most) {
        to = &ended[0];
        for (uint32_t i = 1; i < *count; i++)
            if (ranking_score(s, &ended[i]) < ranking_score(s, to))
                to = &ended[i];
        if (ranking_score(s, &completed) <= ranking_score(s, to))
            return;
    } else {
        ++*count;
    }
    copy_hypothesis(to, &completed, s);
}

/* ---- One step ---- */

bool search_is_end(const struct search *s, uint32_t token)
{
    return token == s->network->parameters.speller.end;
}

static uint32_t last_token(const struct hypothesis *h)
{
    return h->count > 0 ? h->tokens[h->count - 1] : NO_LAST_TOKEN;
}

float search_score_ctc(const struct search *s, const struct hypothesis *h, uint32_t token)
{
    if (!s->ctc)
        return 0;
    if (search_is_end(s, token))
        return ctc_prefix_end(s->ctc, &h->ctc);
    return ctc_prefix_score(s->ctc, &h->ctc, last_token(h), token);
}

/* Log-probability of the best token other than the end. */
static float best_non_end(const struct search *s, const float *values, const uint32_t *columns,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!search_is_end(s, columns[i]))
            return values[i];
    return -INFINITY;
}

/* Whether the text may end here. `other`: log-probability of the best other token. */
static bool search_may_end(const struct search *s, float log_probability, float other)
{
    return s->network->parameters.speller.kind != SPELLER_RECURRENT ||
           log_probability >= END_THRESHOLD * other;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

uint32_t search_expand(struct search *s, uint32_t first, uint32_t end_row)
{
    uint32_t count = 0, end = s->network->parameters.speller.end, top_k = s->top_k;
    for (uint32_t row = first; row < end_row; row++) {
        const struct hypothesis *h = &s->live[row];
        const float *values = s->values + (size_t)row * top_k;
        const uint32_t *columns = s->columns + (size_t)row * top_k;
        float other = best_non_end(s, values, columns, top_k);
        for (uint32_t i = 0; i < top_k; i++) {
            if (!(values[i] > -INFINITY) ||
                (columns[i] == end && !search_may_end(s, values[i], other)))
                continue;
            float ctc_score = search_score_ctc(s, h, columns[i]);
            s->candidates[count] = (struct candidate){
                .parent = row,
                .token = columns[i],
                .log_probability = values[i],
                .ctc_score = ctc_score,
                .score = search_combine_scores(s, h->speller_score + values[i], ctc_score),
            };
            biased_beam_score(s, &s->candidates[count++]);
        }
    }
    return count;
}

bool search_extend(struct search *s, struct hypothesis *to, const struct candidate *with,
                   uint32_t alignment_row)
{
    const struct hypothesis *from = &s->live[with->parent];
    copy_hypothesis(to, from, s);
    to->tokens[to->count] = with->token;
    to->log_probabilities[to->count] = with->log_probability;
    to->alignment_rows[to->count] = alignment_row;
    to->count++;
    to->speller_score += with->log_probability;
    to->ctc_score = with->ctc_score;
    to->match = with->match;
    to->bonus = with->bonus;
    to->forfeited = with->forfeited;
    to->earned_step = with->earned_step;
    to->is_biased = with->is_biased;
    to->in_phrase = with->in_phrase;
    if (s->ctc)
        ctc_prefix_extend(s->ctc, &from->ctc, last_token(from), with->token, &to->ctc);
    bool forward =
        repetition_guard_advance(&to->attention, s->alignments + (size_t)alignment_row * s->steps,
                                 s->audio_steps, s->options->step_seconds);
    if (s->options->exact)
        return true;
    if (s->options->attention_rests)
        forward = !repetition_guard_repeats(&to->attention, to->tokens, to->count);
    return forward && !repetition_guard_is_loop(to->tokens, to->count);
}

/*
 * Reads the attention weights of the last speller call into rows first..first + rows - 1 of
 * alignments, which grow as needed. False on an error.
 */
static bool search_read_alignments(struct search *s, uint32_t first, uint32_t rows)
{
    if (first + rows > s->alignment_room) {
        size_t room = 2 * s->alignment_room + s->options->width + rows;
        float *grown = realloc(s->alignments, room * s->steps * sizeof(*grown));
        if (!grown) {
            s->pass->error = -ENOMEM;
            return false;
        }
        s->alignments = grown;
        s->alignment_room = room;
    }
    speller_read_alignment(s->speller, s->pass, s->alignments + (size_t)first * s->steps);
    return s->pass->error == 0;
}

/*
 * Ends the live hypotheses of the plain beam as they are, since none has ended by itself. A listed
 * text must be whole.
 */
static void end_live(struct search *s, uint32_t first_row)
{
    if (s->options->listed_only)
        return;
    for (uint32_t i = 0; i < s->live_count && s->ended_count < s->options->width; i++) {
        struct hypothesis *h = &s->live[i];
        if (h->is_biased)
            continue;
        h->alignment_rows[h->count] = first_row + i;
        search_end(s, h, NULL);
    }
}

/* Makes the first `count` of `next` the live hypotheses. */
static void search_take_next(struct search *s, uint32_t count)
{
    struct hypothesis *swap = s->live;
    s->live = s->next;
    s->next = swap;
    s->live_count = count;
}

/* Whether one of the first `chosen` of `next` ends in the same PRUNING_TOKENS tokens. */
static bool has_chosen_end(const struct search *s, const struct candidate *c, uint32_t chosen)
{
    const struct hypothesis *h = &s->live[c->parent];
    const uint32_t before = PRUNING_TOKENS - 1;
    if (h->count < before)
        return false;
    for (uint32_t i = 0; i < chosen; i++) {
        const struct hypothesis *other = &s->next[i];
        if (other->count > before && other->tokens[other->count - 1] == c->token &&
            memcmp(other->tokens + other->count - 1 - before, h->tokens + h->count - before,
                   before * sizeof(*h->tokens)) == 0)
            return true;
    }
    return false;
}

/*
 * Whether an ended text is better than this one could become with CERTAIN_TOKENS more. Without
 * these, a text that ended early would stop longer ones, whose means rise with each likely token.
 */
static bool is_beaten(const struct search *s, const struct candidate *c)
{
    const struct hypothesis *ended = best_plain(s);
    uint32_t count = s->live[c->parent].count + 1 + CERTAIN_TOKENS;
    return ended && normalise_length(s, c->score, count) < plain_score(s, ended);
}

/* `chosen`: better ones that go on; `best`: the score of the first of them. */
static bool is_pruned(const struct search *s, const struct candidate *c, uint32_t chosen,
                      float best)
{
    if (!s->options->prunes)
        return false;
    if (chosen > 0 && (c->score < best - PRUNING_MARGIN || has_chosen_end(s, c, chosen)))
        return true;
    return is_beaten(s, c);
}

/*
 * Selects from sorted candidates. Ends among the best `width` end their hypothesis; the other
 * candidates fill the beam. Then the biased beam selects its own.
 */
static void select_next(struct search *s, uint32_t count, uint32_t first_row, uint32_t *parents,
                        uint32_t *tokens)
{
    uint32_t width = s->options->width, chosen = 0;
    float best = -INFINITY, floor = -INFINITY;
    for (uint32_t i = 0; i < count && chosen < width; i++) {
        const struct candidate *c = &s->candidates[i];
        uint32_t alignment_row = first_row + c->parent;
        if (search_is_end(s, c->token)) {
            struct hypothesis *h = &s->live[c->parent];
            h->alignment_rows[h->count] = alignment_row;
            if (i < width)
                search_end(s, h, c);
        } else if (!is_pruned(s, c, chosen, best) &&
                   search_extend(s, &s->next[chosen], c, alignment_row)) {
            parents[chosen] = c->parent;
            tokens[chosen] = c->token;
            best = chosen == 0 ? c->score : best;
            floor = c->score;
            chosen++;
        }
    }
    if (chosen == 0 && s->ended_count == 0)
        end_live(s, first_row);
    if (s->ended_count >= width)
        chosen = 0;
    if (chosen == 0)
        floor = -INFINITY;
    uint32_t rows = biased_beam_select(s, chosen, floor, first_row, parents, tokens);
    s->beam_count = chosen;
    search_take_next(s, rows);
}

/* The mask of suppressed tokens at a position. */
static const struct hearken_tensor *search_mask(const struct search *s, enum text_position position)
{
    const struct speller_weights *weights = &s->network->speller;
    const struct hearken_tensor *const own[] = {weights->mask, weights->first_mask,
                                                weights->next_mask};
    return s->options->masks ? s->options->masks->tensors[position] : own[position];
}

/* Samples a token, which becomes the only choice. */
static void sample(const struct search *s, const float *row, uint32_t vocabulary, uint32_t top_k,
                   float *values, uint32_t *columns)
{
    uint32_t token =
        token_scores_sample(row, vocabulary, s->options->temperature, s->options->random);
    for (uint32_t i = 0; i < top_k; i++)
        values[i] = i > 0 ? -INFINITY : row[token];
    columns[0] = token;
}

/*
 * The part of find_top_k that needs the host: timestamp rules, which depend on earlier tokens, and
 * sampling.
 */
static void find_top_k_on_host(struct search *s, struct hearken_matrix logits, uint32_t top_k,
                               bool first)
{
    uint32_t vocabulary = logits.columns;
    float *row = malloc(vocabulary * sizeof(*row));
    if (!row && s->pass->error == 0)
        s->pass->error = -ENOMEM;
    if (!s->options->timestamps)
        pass_log_softmax(s->pass, logits, search_mask(s, first ? TEXT_START : WITHIN_TEXT));
    for (uint32_t i = 0; i < s->live_count && s->pass->error == 0; i++) {
        float *values = s->values + (size_t)i * top_k;
        uint32_t *columns = s->columns + (size_t)i * top_k;
        pass_read(s->pass, matrix_rows(logits, i, 1), row);
        if (s->pass->error < 0)
            break;
        if (s->options->timestamps)
            timestamp_rules_apply(s->options->timestamps, s->live[i].tokens, s->live[i].count, row);
        if (s->options->temperature > 0)
            sample(s, row, vocabulary, top_k, values, columns);
        else
            token_scores_top(row, vocabulary, top_k, values, columns);
    }
    free(row);
}

/* The `top_k` best next tokens of each live hypothesis, into values and columns. */
static void find_top_k(struct search *s, struct hearken_matrix logits, uint32_t top_k, bool first)
{
    if (s->options->timestamps || s->options->temperature > 0) {
        find_top_k_on_host(s, logits, top_k, first);
        return;
    }
    pass_log_softmax(s->pass, logits, search_mask(s, first ? TEXT_START : WITHIN_TEXT));
    if (s->options->listed_only)
        biased_beam_top_listed(s, logits);
    else
        pass_top_k(s->pass, logits, top_k, s->values, s->columns);
}

/* Extends every hypothesis by one token; false: the search is over. */
static bool step(struct search *s, struct hearken_matrix *logits, uint32_t *alignment_row,
                 bool first)
{
    uint32_t parents[BEAM_MAX_WIDTH + BIASED_BEAM_WIDTH],
        tokens[BEAM_MAX_WIDTH + BIASED_BEAM_WIDTH];
    find_top_k(s, *logits, s->top_k, first);
    if (s->pass->error < 0 || !search_read_alignments(s, *alignment_row, s->live_count) ||
        (!s->options->listed_only && !biased_beam_read_scores(s, *logits)))
        return false;
    uint32_t rows = s->live_count;
    if (s->live[0].count == s->options->max_tokens) {
        if (s->ended_count == 0)
            end_live(s, *alignment_row);
        return false;
    }
    uint32_t count = search_expand(s, 0, s->beam_count);
    qsort(s->candidates, count, sizeof(*s->candidates), compare_candidates);
    select_next(s, count, *alignment_row, parents, tokens);
    *alignment_row += rows;
    if (s->live_count == 0)
        return false;
    *logits = speller_step(s->speller, s->pass, parents, tokens, s->live_count);
    return true;
}

/* Ended hypothesis `index` of both beams, or NULL. */
static const struct hypothesis *ended_at(const struct search *s, uint32_t index)
{
    if (index < s->ended_count)
        return &s->ended[index];
    index -= s->ended_count;
    return index < s->biased_ended_count ? &s->ended[s->options->width + index] : NULL;
}

/* Whether an ended hypothesis has the tokens of an earlier one: both beams may hold a text. */
static bool is_repeated(const struct search *s, uint32_t index)
{
    const struct hypothesis *h = ended_at(s, index);
    for (uint32_t i = 0; i < index; i++) {
        const struct hypothesis *other = ended_at(s, i);
        if (other->count == h->count &&
            memcmp(other->tokens, h->tokens, h->count * sizeof(*h->tokens)) == 0)
            return true;
    }
    return false;
}

static bool are_variants(const struct search *s, const struct hypothesis *a,
                         const struct hypothesis *b)
{
    return transcript_has_same_words(&s->network->vocabulary, a->tokens, a->count, b->tokens,
                                     b->count);
}

/* Log-probability of the words of `h`: the sum over the ended hypotheses that spell them. */
static float words_log_probability(const struct search *s, const struct hypothesis *h)
{
    const struct hypothesis *other;
    double sum = 0;
    for (uint32_t i = 0; (other = ended_at(s, i)) != NULL; i++)
        if (!is_repeated(s, i) && are_variants(s, h, other))
            sum += exp((double)other->speller_score);
    return (float)log(sum);
}

/* Whether another variant of `h` has a better score. */
static bool has_better_variant(const struct search *s, const struct hypothesis *h)
{
    const struct hypothesis *other;
    for (uint32_t i = 0; (other = ended_at(s, i)) != NULL; i++)
        if (biased_score(s, other) > biased_score(s, h) && are_variants(s, h, other))
            return true;
    return false;
}

/* The score that decides between the ended hypotheses of both beams. */
static float decisive_score(const struct search *s, const struct hypothesis *h)
{
    if (!s->options->joins_variants)
        return biased_score(s, h);
    if (has_better_variant(s, h))
        return -INFINITY;
    float score = search_combine_scores(s, words_log_probability(s, h), h->ctc_score);
    if (s->options->listed_only)
        return score + LISTED_BONUS_SHARE * h->bonus;
    return search_final_score(s, score, h->bonus, h->count);
}

const struct hypothesis *search_best(const struct search *s)
{
    const struct hypothesis *best = NULL, *h;
    float best_score = 0;
    for (uint32_t i = 0; (h = ended_at(s, i)) != NULL; i++) {
        float score = decisive_score(s, h);
        if (best && score <= best_score)
            continue;
        best = h;
        best_score = score;
    }
    return best;
}

/* ---- Draft verification ---- */

/* Log-probabilities for tokens of the draft, and the best tokens of each row. */
struct draft_scores {
    struct hearken_matrix logits; /* [rows, vocabulary] */
    float values[SPELLER_EXTEND_MAX][DRAFT_TOP_K];
    uint32_t columns[SPELLER_EXTEND_MAX][DRAFT_TOP_K];
};

/* The mask for token `index` of the text. */
static const struct hearken_tensor *draft_mask(const struct search *s, uint32_t index)
{
    if (index == 0)
        return search_mask(s, TEXT_START);
    return search_mask(s, index == s->options->draft.forced ? AFTER_WORD : WITHIN_TEXT);
}

/*
 * Computes the scores and alignments of a draft. `first`: index in the text of the token that row 0
 * predicts.
 */
static bool score_draft(struct search *s, struct draft_scores *scores, uint32_t first,
                        uint32_t alignment_row)
{
    struct hearken_matrix logits = scores->logits;
    for (uint32_t row = 0; row < logits.rows; row++)
        pass_log_softmax(s->pass, matrix_rows(logits, row, 1), draft_mask(s, first + row));
    pass_top_k(s->pass, logits, DRAFT_TOP_K, scores->values[0], scores->columns[0]);
    return s->pass->error == 0 && search_read_alignments(s, alignment_row, logits.rows);
}

/* The token that a search of width 1 would take. */
static uint32_t likeliest_token(const struct search *s, const float *values,
                                const uint32_t *columns)
{
    if (columns[0] == s->network->parameters.speller.end &&
        !search_may_end(s, values[0], values[1]) && values[1] > -INFINITY)
        return columns[1];
    return columns[0];
}

static float log_probability_of(struct search *s, const struct draft_scores *scores, uint32_t row,
                                uint32_t token)
{
    float log_probability = -INFINITY;
    for (uint32_t i = 0; i < DRAFT_TOP_K; i++)
        if (scores->columns[row][i] == token)
            return scores->values[row][i];
    pass_read(s->pass, matrix_columns(matrix_rows(scores->logits, row, 1), token, 1),
              &log_probability);
    return log_probability;
}

/* Whether a search could prefer a custom word to a token of this score. */
static bool listed_word_is_reachable(struct search *s, const struct draft_scores *scores,
                                     uint32_t row, float score)
{
    return s->biased && biased_beam_read_scores(s, matrix_rows(scores->logits, row, 1)) &&
           biased_beam_is_reachable(s, score);
}

/*
 * Accepts the next token of the draft if it is forced, or if a search of width 1 would take it and
 * no custom word is in reach.
 */
static bool accept(struct search *s, const struct draft_scores *scores, uint32_t row,
                   uint32_t alignment_row)
{
    const struct beam_draft *draft = &s->options->draft;
    const struct hypothesis *live = &s->live[0];
    uint32_t token = draft->tokens[live->count];
    bool forced = live->count < draft->forced;
    if (!forced && likeliest_token(s, scores->values[row], scores->columns[row]) != token)
        return false;
    struct candidate next = {
        .token = token,
        .log_probability = log_probability_of(s, scores, row, token),
        .ctc_score = search_score_ctc(s, live, token),
    };
    next.score =
        search_combine_scores(s, live->speller_score + next.log_probability, next.ctc_score);
    biased_beam_score(s, &next);
    if (!forced && listed_word_is_reachable(s, scores, row, next.score))
        return false;
    if (!search_extend(s, &s->next[0], &next, alignment_row) && !forced)
        return false;
    search_take_next(s, 1);
    return true;
}

/*
 * Accepts the draft as the only live hypothesis, as far as it holds. Each speller call checks many
 * tokens, so this is faster than decoding them again one by one. `logits` [1, vocabulary]: for the
 * first token → for the token after the accepted ones. `alignment_row`: next free row, advanced.
 */
static struct hearken_matrix verify_draft(struct search *s, struct hearken_matrix logits,
                                          uint32_t *alignment_row)
{
    const struct beam_draft *draft = &s->options->draft;
    uint32_t count = draft->count < s->options->max_tokens ? draft->count : s->options->max_tokens;
    struct draft_scores scores = {.logits = logits};
    for (uint32_t fed = 0;;) {
        uint32_t accepted = 0, rows = scores.logits.rows;
        if (!score_draft(s, &scores, s->live[0].count, *alignment_row))
            return scores.logits;
        while (accepted < rows && s->live[0].count < count &&
               accept(s, &scores, accepted, *alignment_row + accepted))
            accepted++;
        *alignment_row += accepted;
        if (accepted < rows)
            return rows > 1 ? speller_keep(s->speller, scores.logits, accepted + 1) : scores.logits;
        uint32_t next = count - fed < SPELLER_EXTEND_MAX ? count - fed : SPELLER_EXTEND_MAX;
        scores.logits = speller_extend(s->speller, s->pass, draft->tokens + fed, next);
        fed += next;
    }
}

/* ---- The result ---- */

static void take_result(struct search *s, const struct hypothesis *h, struct beam_result *result)
{
    result->tokens = calloc(h->count + 1, sizeof(*result->tokens));
    result->log_probabilities = calloc(h->count + 1, sizeof(*result->log_probabilities));
    result->alignment = calloc((size_t)(h->count + 1) * s->steps, sizeof(*result->alignment));
    if (!result->tokens || !result->log_probabilities || !result->alignment) {
        beam_result_finish(result);
        s->pass->error = -ENOMEM;
        return;
    }
    memcpy(result->tokens, h->tokens, h->count * sizeof(*h->tokens));
    memcpy(result->log_probabilities, h->log_probabilities,
           h->count * sizeof(*h->log_probabilities));
    for (uint32_t i = 0; i <= h->count; i++)
        memcpy(result->alignment + (size_t)i * s->steps,
               s->alignments + (size_t)h->alignment_rows[i] * s->steps, s->steps * sizeof(float));
    result->count = h->count;
    result->steps = s->steps;
    result->log_probability = h->speller_score;
    result->stopped = h->stopped;
}

static void run(struct search *s, struct beam_result *result)
{
    uint32_t alignment_row = 0;
    bool first = true;
    if (s->ctc)
        ctc_prefix_start(s->ctc, &s->live[0].ctc);
    s->live_count = s->beam_count = 1;
    s->live[0].match = custom_words_begin();
    struct hearken_matrix logits = speller_start(s->speller, s->pass);
    result->no_speech = speller_no_speech(s->speller);
    if (s->options->draft.count > 0) {
        logits = verify_draft(s, logits, &alignment_row);
        first = s->live[0].count == 0;
    }
    while (s->pass->error == 0 && step(s, &logits, &alignment_row, first))
        first = false;
    if (s->pass->error < 0)
        return;
    const struct hypothesis *best = search_best(s);
    if (!best)
        return;
    take_result(s, best, result);
    result->bonus = best->bonus;
    result->words_log_probability = words_log_probability(s, best) + best->bonus;
    result->is_listed = s->options->listed_only;
}

void beam_search(const struct beam_options *options, struct speller *speller, struct pass *pass,
                 const struct network *network, const struct ctc_scores *ctc,
                 struct beam_result *result)
{
    struct search search = {
        .options = options,
        .speller = speller,
        .pass = pass,
        .network = network,
        .ctc = ctc,
        .steps = speller_memory_steps(speller),
    };
    uint32_t vocabulary = network->parameters.speller.vocabulary;
    search.top_k = options->width * CANDIDATES_PER_HYPOTHESIS;
    if (search.top_k > vocabulary)
        search.top_k = vocabulary;
    search.audio_steps = options->audio_steps < search.steps ? options->audio_steps : search.steps;
    *result = (struct beam_result){.steps = search.steps};
    if (search_init(&search))
        run(&search, result);
    else
        pass->error = -ENOMEM;
    speller_rest(speller);
    search_finish(&search);
}
