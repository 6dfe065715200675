// SPDX-License-Identifier: MIT
/*
 * A guess at the text is checked against the memory in few calls of the speller, many tokens in
 * each, rather than written anew token by token.
 */
#include "models/search/biased_beam.h"

#include <math.h>

/* Enough to know the likeliest token, and the likeliest but the end. */
#define CHOICES 2u

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
        return search_mask(s, FIRST);
    return search_mask(s, index == s->options->draft.forced ? BEHIND_A_WORD : ANYWHERE);
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
static uint32_t choose(const struct search *s, const float *values, const uint32_t *columns)
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

/* Adds the guess' next token, if it is forced or what the row says. */
static bool accept(struct search *s, const struct answers *answers, uint32_t row,
                   uint32_t alignment_row)
{
    const struct beam_draft *draft = &s->options->draft;
    const struct hypothesis *live = &s->live[0];
    uint32_t token = draft->tokens[live->count];
    bool forced = live->count < draft->forced;
    if (!forced && choose(s, answers->values[row], answers->columns[row]) != token)
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

struct hearken_matrix search_verify_draft(struct search *s, struct hearken_matrix logits,
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
