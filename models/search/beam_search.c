// SPDX-License-Identifier: MIT
#include "models/search/beam_search_private.h"
#include "models/search/timestamp_rules.h"
#include "models/search/token_masks.h"
#include "models/search/token_scores.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Continuations looked at for each hypothesis: twice the beam, so that ends do not starve it. */
#define CANDIDATES_PER_HYPOTHESIS 2u
/*
 * A recurrent speller may end only where the end is this close to its best other token: log p(end)
 * ≥ this · log p(other) (Hannun et al., 2019, "Sequence-to-Sequence Speech Recognition with
 * Time-Depth Separable Convolutions", section 3.3). Its attention tends to skip; Whisper's does
 * not.
 */
#define END_THRESHOLD 1.5f

/* Tokens of a draft's answer that are read: enough to know the likeliest, and the likeliest but the
 * end. */
#define CHOICES 2u

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
    size_t wide = s->wide;
    size_t rows = s->rows = s->options->width + (s->options->words ? BIASED_BEAM_WIDTH : 0);
    s->live = calloc(rows, sizeof(*s->live));
    s->next = calloc(rows, sizeof(*s->next));
    s->ended = calloc(rows, sizeof(*s->ended));
    s->candidates = calloc(rows * wide, sizeof(*s->candidates));
    s->values = calloc(rows * wide, sizeof(*s->values));
    s->columns = calloc(rows * wide, sizeof(*s->columns));
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
    /* One more than tokens: where it looked for the end, if it has ended. */
    memcpy(to->alignment_rows, from->alignment_rows,
           (from->count + 1) * sizeof(*to->alignment_rows));
    to->count = from->count;
    to->speller_score = from->speller_score;
    to->ctc_score = from->ctc_score;
    to->attention = from->attention;
    to->match = from->match;
    to->bonus = from->bonus;
    to->is_biased = from->is_biased;
    to->in_phrase = from->in_phrase;
    to->ended = from->ended;
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

/* / length^penalty; the end counts as a token, but for Whisper's authors. */
static float normalise(const struct search *s, float score, uint32_t count)
{
    uint32_t length = s->options->exact && count > 0 ? count : count + 1;
    return score / powf((float)length, s->options->length_penalty);
}

static float score_of(const struct search *s, const struct hypothesis *h)
{
    return normalise(s, search_combine_scores(s, h->speller_score, h->ctc_score), h->count);
}

/* The best text of the beam that has ended, or NULL. */
static const struct hypothesis *best_of_beam(const struct search *s)
{
    const struct hypothesis *best = NULL;
    for (uint32_t i = 0; i < s->ended_count; i++)
        if (!best || score_of(s, &s->ended[i]) > score_of(s, best))
            best = &s->ended[i];
    return best;
}

float search_final_score(const struct search *s, float score, float bonus, uint32_t count)
{
    const struct hypothesis *best = bonus > 0 ? best_of_beam(s) : NULL;
    return normalise(s, score, count) + normalise(s, bonus, best ? best->count : count);
}

static float worth(const struct search *s, const struct hypothesis *h)
{
    float score = search_combine_scores(s, h->speller_score, h->ctc_score);
    return search_final_score(s, score, h->bonus, h->count);
}

/* As its own kind is compared: what listed words earn counts in the lane only. */
static float normalised(const struct search *s, const struct hypothesis *h)
{
    return h->is_biased ? worth(s, h) : score_of(s, h);
}

/* Keeps the best of those that have ended, so many as there may be live ones of the kind. */
void search_end(struct search *s, const struct hypothesis *h, const struct candidate *with)
{
    uint32_t most = h->is_biased ? BIASED_BEAM_WIDTH : s->options->width;
    uint32_t *count = h->is_biased ? &s->biased_ended_count : &s->ended_count;
    struct hypothesis *ended = h->is_biased ? s->ended + s->options->width : s->ended;
    struct hypothesis *to = &ended[*count];
    struct hypothesis with_end = *h;
    with_end.ended = true;
    with_end.stopped = !with;
    if (with) {
        with_end.speller_score += with->log_probability;
        with_end.ctc_score = with->ctc_score;
        with_end.bonus = with->bonus;
    }
    if (*count == most) {
        to = &ended[0];
        for (uint32_t i = 1; i < *count; i++)
            if (normalised(s, &ended[i]) < normalised(s, to))
                to = &ended[i];
        if (normalised(s, &with_end) <= normalised(s, to))
            return;
    } else {
        ++*count;
    }
    copy_hypothesis(to, &with_end, s);
}

/* ---- One step ---- */

static uint32_t last_token(const struct hypothesis *h)
{
    return h->count > 0 ? h->tokens[h->count - 1] : NO_LAST_TOKEN;
}

float search_score_ctc(const struct search *s, const struct hypothesis *h, uint32_t token)
{
    if (!s->ctc)
        return 0;
    if (token == s->network->parameters.speller.end)
        return ctc_prefix_end(s->ctc, &h->ctc);
    return ctc_prefix_score(s->ctc, &h->ctc, last_token(h), token);
}

/* The log-probability of the likeliest token that is not the end. */
static float best_other(const struct search *s, const float *values, const uint32_t *columns,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (columns[i] != s->network->parameters.speller.end)
            return values[i];
    return -INFINITY;
}

bool search_is_end(const struct search *s, uint32_t token)
{
    return token == s->network->parameters.speller.end;
}

/* Whether the end may come now: its log-probability, and that of the best other token. */
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

uint32_t search_expand(struct search *s, uint32_t first, uint32_t behind)
{
    uint32_t count = 0, end = s->network->parameters.speller.end, wide = s->wide;
    for (uint32_t row = first; row < behind; row++) {
        const struct hypothesis *h = &s->live[row];
        const float *values = s->values + (size_t)row * wide;
        const uint32_t *columns = s->columns + (size_t)row * wide;
        float other = best_other(s, values, columns, wide);
        for (uint32_t i = 0; i < wide; i++) {
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
    to->is_biased = with->is_biased;
    to->in_phrase = with->in_phrase;
    if (s->ctc)
        ctc_prefix_extend(s->ctc, &from->ctc, last_token(from), with->token, &to->ctc);
    bool forward =
        repetition_guard_advance(&to->attention, s->alignments + (size_t)alignment_row * s->steps,
                                 s->sound_steps, s->options->step_seconds);
    if (s->options->exact)
        return true;
    if (s->options->rests)
        forward = !repetition_guard_repeats(&to->attention, to->tokens, to->count);
    return forward && !repetition_guard_is_loop(to->tokens, to->count);
}

/* Reads where the last call of the speller looked into rows first..first + rows; makes room for
 * them. False on an error. */
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

/* No hypothesis has ended: take those that there are as they are. */
static void end_all(struct search *s, uint32_t first_row)
{
    for (uint32_t i = 0; i < s->live_count && s->ended_count < s->options->width; i++) {
        struct hypothesis *h = &s->live[i];
        if (h->is_biased)
            continue;
        h->alignment_rows[h->count] = first_row + i;
        search_end(s, h, NULL);
    }
}

/* The first `count` of `next` are the live ones now. */
static void search_take_next(struct search *s, uint32_t count)
{
    struct hypothesis *swap = s->live;
    s->live = s->next;
    s->next = swap;
    s->live_count = count;
}

/* Chooses from sorted candidates: ends among the best `width` end, the others fill the beam. Then
 * the lane takes its own. */
static void choose(struct search *s, uint32_t count, uint32_t first_row, uint32_t *parents,
                   uint32_t *tokens)
{
    uint32_t width = s->options->width, chosen = 0;
    float floor = -INFINITY;
    for (uint32_t i = 0; i < count && chosen < width; i++) {
        const struct candidate *c = &s->candidates[i];
        uint32_t alignment_row = first_row + c->parent;
        if (search_is_end(s, c->token)) {
            struct hypothesis *h = &s->live[c->parent];
            h->alignment_rows[h->count] = alignment_row;
            if (i < width)
                search_end(s, h, c);
        } else if (search_extend(s, &s->next[chosen], c, alignment_row)) {
            parents[chosen] = c->parent;
            tokens[chosen] = c->token;
            floor = c->score;
            chosen++;
        }
    }
    if (chosen == 0 && s->ended_count == 0)
        end_all(s, first_row);
    if (s->ended_count >= width)
        chosen = 0;
    if (chosen == 0)
        floor = -INFINITY;
    uint32_t rows = biased_beam_select(s, chosen, floor, first_row, parents, tokens);
    s->beam_count = chosen;
    search_take_next(s, rows);
}

/* What may not be written there. */
static const struct hearken_tensor *search_mask(const struct search *s, enum text_position position)
{
    const struct speller_weights *weights = &s->network->speller;
    const struct hearken_tensor *const own[] = {weights->mask, weights->first_mask,
                                                weights->next_mask};
    return s->options->masks ? s->options->masks->at[position] : own[position];
}

/* A token by chance, as the only choice. */
static void draw(const struct search *s, const float *row, uint32_t vocabulary, uint32_t wide,
                 float *values, uint32_t *columns)
{
    uint32_t token =
        token_scores_sample(row, vocabulary, s->options->temperature, s->options->random);
    for (uint32_t i = 0; i < wide; i++)
        values[i] = i > 0 ? -INFINITY : row[token];
    columns[0] = token;
}

/* What the backend cannot do: rules that go by what was written, and chance. */
static void choose_on_host(struct search *s, struct hearken_matrix logits, uint32_t wide,
                           bool first)
{
    uint32_t vocabulary = logits.columns;
    float *row = malloc(vocabulary * sizeof(*row));
    if (!row && s->pass->error == 0)
        s->pass->error = -ENOMEM;
    if (!s->options->timestamps)
        pass_log_softmax(s->pass, logits, search_mask(s, first ? TEXT_START : WITHIN_TEXT));
    for (uint32_t i = 0; i < s->live_count && s->pass->error == 0; i++) {
        float *values = s->values + (size_t)i * wide;
        uint32_t *columns = s->columns + (size_t)i * wide;
        pass_read(s->pass, matrix_rows(logits, i, 1), row);
        if (s->pass->error < 0)
            break;
        if (s->options->timestamps)
            timestamp_rules_apply(s->options->timestamps, s->live[i].tokens, s->live[i].count, row);
        if (s->options->temperature > 0)
            draw(s, row, vocabulary, wide, values, columns);
        else
            token_scores_top(row, vocabulary, wide, values, columns);
    }
    free(row);
}

/* The likeliest next tokens of each hypothesis: `wide` values and columns. */
static void look_up_choices(struct search *s, struct hearken_matrix logits, uint32_t wide,
                            bool first)
{
    if (s->options->timestamps || s->options->temperature > 0) {
        choose_on_host(s, logits, wide, first);
        return;
    }
    pass_log_softmax(s->pass, logits, search_mask(s, first ? TEXT_START : WITHIN_TEXT));
    pass_top_k(s->pass, logits, wide, s->values, s->columns);
}

/* One token for every hypothesis; false: the search is over. */
static bool step(struct search *s, struct hearken_matrix *logits, uint32_t *alignment_row,
                 bool first)
{
    uint32_t parents[BEAM_MAX_WIDTH + BIASED_BEAM_WIDTH],
        tokens[BEAM_MAX_WIDTH + BIASED_BEAM_WIDTH];
    look_up_choices(s, *logits, s->wide, first);
    if (s->pass->error < 0 || !search_read_alignments(s, *alignment_row, s->live_count) ||
        !biased_beam_read_scores(s, *logits))
        return false;
    uint32_t rows = s->live_count;
    if (s->live[0].count == s->options->max_tokens) {
        if (s->ended_count == 0)
            end_all(s, *alignment_row);
        return false;
    }
    uint32_t count = search_expand(s, 0, s->beam_count);
    qsort(s->candidates, count, sizeof(*s->candidates), compare_candidates);
    choose(s, count, *alignment_row, parents, tokens);
    *alignment_row += rows;
    if (s->live_count == 0)
        return false;
    *logits = speller_step(s->speller, s->pass, parents, tokens, s->live_count);
    return true;
}

const struct hypothesis *search_best(const struct search *s)
{
    const struct hypothesis *best = NULL, *biased = s->ended + s->options->width;
    for (uint32_t i = 0; i < s->ended_count; i++)
        if (!best || worth(s, &s->ended[i]) > worth(s, best))
            best = &s->ended[i];
    for (uint32_t i = 0; i < s->biased_ended_count; i++)
        if (!best || worth(s, &biased[i]) > worth(s, best))
            best = &biased[i];
    return best;
}

/* ---- Verifying a draft ----
 *
 * A draft of the text is verified against the memory in few calls of the speller, many tokens in
 * each, instead of being decoded again token by token. */

/* Rows of log-probabilities, and the best tokens of each. */
struct answers {
    struct hearken_matrix logits; /* [rows, vocabulary] */
    float values[SPELLER_EXTEND_MAX][CHOICES];
    uint32_t columns[SPELLER_EXTEND_MAX][CHOICES];
};

/* Token `index` of a text may be what is not ruled out there. */
static const struct hearken_tensor *mask_of(const struct search *s, uint32_t index)
{
    if (index == 0)
        return search_mask(s, TEXT_START);
    return search_mask(s, index == s->options->draft.forced ? AFTER_WORD : WITHIN_TEXT);
}

/* `first`: index of the token that the first row is about. */
static bool read_answers(struct search *s, struct answers *answers, uint32_t first,
                         uint32_t alignment_row)
{
    struct hearken_matrix logits = answers->logits;
    for (uint32_t row = 0; row < logits.rows; row++)
        pass_log_softmax(s->pass, matrix_rows(logits, row, 1), mask_of(s, first + row));
    pass_top_k(s->pass, logits, CHOICES, answers->values[0], answers->columns[0]);
    return s->pass->error == 0 && search_read_alignments(s, alignment_row, logits.rows);
}

/* What a search of width 1 would take. */
static uint32_t likeliest_token(const struct search *s, const float *values,
                                const uint32_t *columns)
{
    if (columns[0] == s->network->parameters.speller.end &&
        !search_may_end(s, values[0], values[1]) && values[1] > -INFINITY)
        return columns[1];
    return columns[0];
}

static float log_probability_of(struct search *s, const struct answers *answers, uint32_t row,
                                uint32_t token)
{
    float log_probability = -INFINITY;
    for (uint32_t i = 0; i < CHOICES; i++)
        if (answers->columns[row][i] == token)
            return answers->values[row][i];
    pass_read(s->pass, matrix_columns(matrix_rows(answers->logits, row, 1), token, 1),
              &log_probability);
    return log_probability;
}

/* A search might write a listed word there instead of what scores so much. */
static bool may_write_word(struct search *s, const struct answers *answers, uint32_t row,
                           float score)
{
    return s->biased && biased_beam_read_scores(s, matrix_rows(answers->logits, row, 1)) &&
           biased_beam_is_reachable(s, score);
}

/* Adds the draft's next token, if it is forced or what the row says. */
static bool accept(struct search *s, const struct answers *answers, uint32_t row,
                   uint32_t alignment_row)
{
    const struct beam_draft *draft = &s->options->draft;
    const struct hypothesis *live = &s->live[0];
    uint32_t token = draft->tokens[live->count];
    bool forced = live->count < draft->forced;
    if (!forced && likeliest_token(s, answers->values[row], answers->columns[row]) != token)
        return false;
    struct candidate next = {
        .token = token,
        .log_probability = log_probability_of(s, answers, row, token),
        .ctc_score = search_score_ctc(s, live, token),
    };
    next.score =
        search_combine_scores(s, live->speller_score + next.log_probability, next.ctc_score);
    biased_beam_score(s, &next);
    if (!forced && may_write_word(s, answers, row, next.score))
        return false;
    if (!search_extend(s, &s->next[0], &next, alignment_row) && !forced)
        return false;
    search_take_next(s, 1);
    return true;
}

/* Takes over the draft as the one live hypothesis, as far as it holds. `logits` [1, vocabulary]:
 * those of the first token → those of the token behind what was taken. `alignment_row`: the next
 * free row. */
static struct hearken_matrix verify_draft(struct search *s, struct hearken_matrix logits,
                                          uint32_t *alignment_row)
{
    const struct beam_draft *draft = &s->options->draft;
    uint32_t count = draft->count < s->options->max_tokens ? draft->count : s->options->max_tokens;
    struct answers answers = {.logits = logits};
    for (uint32_t fed = 0;;) {
        uint32_t accepted = 0, rows = answers.logits.rows;
        if (!read_answers(s, &answers, s->live[0].count, *alignment_row))
            return answers.logits;
        while (accepted < rows && s->live[0].count < count &&
               accept(s, &answers, accepted, *alignment_row + accepted))
            accepted++;
        *alignment_row += accepted;
        if (accepted < rows)
            return rows > 1 ? speller_keep(s->speller, answers.logits, accepted + 1)
                            : answers.logits;
        uint32_t next = count - fed < SPELLER_EXTEND_MAX ? count - fed : SPELLER_EXTEND_MAX;
        answers.logits = speller_extend(s->speller, s->pass, draft->tokens + fed, next);
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
    if (best)
        take_result(s, best, result);
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
    search.wide = options->width * CANDIDATES_PER_HYPOTHESIS;
    if (search.wide > vocabulary)
        search.wide = vocabulary;
    search.sound_steps = options->sound_steps < search.steps ? options->sound_steps : search.steps;
    *result = (struct beam_result){.steps = search.steps};
    if (search_init(&search))
        run(&search, result);
    else
        pass->error = -ENOMEM;
    search_finish(&search);
}
