// SPDX-License-Identifier: MIT
/* What the beam and the beam of biased hypotheses beside it share. Private to beam_search.c and
 * biased_beam.c. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_SEARCH_PRIVATE_H
#define HEARKEN_MODELS_SEARCH_BEAM_SEARCH_PRIVATE_H

#include "models/search/beam_search.h"
#include "models/search/repetition_guard.h"
#include "models/search/token_masks.h"

struct biased_beam;

struct hypothesis {
    uint32_t *tokens;         /* [max_tokens + 1] */
    float *log_probabilities; /* [max_tokens + 1] */
    uint32_t *alignment_rows; /* [max_tokens + 1]: rows of the search's alignments */
    uint32_t count;
    float speller_score; /* sum of the log-probabilities */
    float ctc_score;     /* log-probability of the prefix */
    struct attention_progress attention;
    struct ctc_state ctc;
    struct word_match match;   /* of listed words */
    float bonus;               /* what they earn */
    bool is_biased, in_phrase; /* it is of the biased beam; and inside a listed phrase there */
    bool ended, stopped;       /* stopped: made to end */
};

/* A hypothesis and one more token. */
struct candidate {
    uint32_t parent, token;
    float log_probability, ctc_score, score;
    struct word_match match;
    float bonus;
    bool is_biased, in_phrase;
};

struct search {
    const struct beam_options *options;
    struct speller *speller;
    struct pass *pass;
    const struct network *network;
    const struct ctc_scores *ctc;
    struct biased_beam *biased;      /* NULL: no words are listed */
    uint32_t rows;                   /* the most live hypotheses: width, and those of the lane */
    struct hypothesis *live, *next;  /* [rows] each */
    struct hypothesis *ended;        /* [rows]: of the beam, then from `width` on of the lane */
    uint32_t live_count, beam_count; /* of the live ones, the first are those of the beam */
    uint32_t ended_count, biased_ended_count;
    uint32_t wide;                /* candidates of each: 2 · width, or the vocabulary */
    uint32_t steps, sound_steps;  /* of the memory, and of it before the padding */
    struct candidate *candidates; /* [rows · wide] */
    float *values;                /* [rows, wide]: of top_k */
    uint32_t *columns;            /* likewise */
    float *alignments;            /* [looks, steps]: a row for each hypothesis of each step */
    size_t alignment_room;        /* rows there is room for */
};

/* `to` becomes hypothesis with->parent of the live ones and one more token, which looked at row
 * `look`. False if it then goes in a loop or looks back. */
bool search_extend(struct search *search, struct hypothesis *to, const struct candidate *with,
                   uint32_t alignment_row);

/* The score of both, without what listed words earn. */
float search_combine_scores(const struct search *search, float speller_score, float ctc_score);

/*
 * What a text of `count` tokens is worth in the end: score / length^penalty, the end counting as a
 * token, and the bonus of listed words by the length of the best text that was found without them,
 * so that it makes no text better to be short.
 */
float search_final_score(const struct search *search, float score, float bonus, uint32_t count);

/* The CTC score of a hypothesis with one more token; 0 without a CTC head. */
float search_score_ctc(const struct search *search, const struct hypothesis *hypothesis,
                       uint32_t token);

/*
 * Continuations of the live hypotheses first..behind - 1 with the likeliest tokens, to candidates;
 * returns how many.
 */
uint32_t search_expand(struct search *search, uint32_t first, uint32_t behind);

/* A live hypothesis has ended. `with` NULL: it was made to. */
void search_end(struct search *search, const struct hypothesis *hypothesis,
                const struct candidate *with);

/* The best of those that have ended, or NULL. */
const struct hypothesis *search_best(const struct search *search);

bool search_is_end(const struct search *search, uint32_t token);

/* ---- biased_beam.c ---- */

/*
 * Contextual biasing. Hypotheses that write a custom word have a beam of their own beside the
 * plain one, where the bonus they have earned or may earn counts. The plain beam does not see the
 * bonus, so a text without custom words is the one that a search without a list finds, at any
 * width.
 */

/* Errors: false without memory. Both do nothing where there is no list. */
bool biased_beam_init(struct search *search);
void biased_beam_finish(struct search *search);

/* What the candidate's words earn; what else is in it is there already. */
void biased_beam_score(const struct search *search, struct candidate *candidate);

/* Reads the scores of all tokens for the live hypotheses. False on an error. */
bool biased_beam_read_scores(struct search *search, struct hearken_matrix log_probabilities);

/*
 * Adds biased hypotheses to the `chosen` ones of the beam in `next`. `floor`: the lowest score
 * among those; where there are none, because the beam is done, the biased beam goes on as long as
 * it may find something better. Returns how many there are now.
 */
uint32_t biased_beam_select(struct search *search, uint32_t chosen, float floor, uint32_t first_row,
                            uint32_t *parents, uint32_t *tokens);

/* Whether a listed word might be written behind the one live hypothesis, for which
 * biased_beam_read_scores was called, where what is written otherwise has this score. Only where
 * there is a list. */
bool biased_beam_is_reachable(struct search *search, float score);

#endif
