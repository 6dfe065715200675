// SPDX-License-Identifier: MIT
/* The state that the beam and the biased beam share. Private to beam_search.c and biased_beam.c. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_SEARCH_PRIVATE_H
#define HEARKEN_MODELS_SEARCH_BEAM_SEARCH_PRIVATE_H

#include "models/search/beam_search.h"
#include "models/search/repetition_guard.h"
#include "models/search/token_scores.h"

struct biased_beam;

struct hypothesis {
    uint32_t *tokens;         /* [max_tokens + 1] */
    float *log_probabilities; /* [max_tokens + 1] */
    uint32_t *alignment_rows; /* [max_tokens + 1]: rows of search.alignments */
    uint32_t count;
    float speller_score; /* sum of the log-probabilities */
    float ctc_score;     /* log-probability of the prefix */
    struct attention_progress attention;
    struct ctc_state ctc;
    struct word_match match;   /* state for custom words */
    float bonus;               /* bonus for custom words */
    uint32_t forfeited;        /* characters earned without progress of the attention */
    uint32_t earned_step;      /* the furthest step of the attention when the bonus rose last */
    bool is_biased, in_phrase; /* in the biased beam; and there within a custom word */
    bool stopped;              /* ended without its end token */
};

/* A hypothesis extended by one token. */
struct candidate {
    uint32_t parent, token;
    float log_probability, ctc_score, score;
    struct word_match match;
    float bonus;
    uint32_t forfeited, earned_step;
    bool is_biased, in_phrase;
};

struct search {
    const struct beam_options *options;
    struct speller *speller;
    struct pass *pass;
    const struct network *network;
    const struct ctc_scores *ctc;
    struct biased_beam *biased;      /* NULL: no custom words */
    uint32_t rows;                   /* most live hypotheses: width, and that of the biased beam */
    struct hypothesis *live, *next;  /* [rows] each */
    struct hypothesis *ended;        /* [rows]: of the beam; from `width` on, biased ones */
    uint32_t live_count, beam_count; /* live: those of the beam first */
    uint32_t ended_count, biased_ended_count;
    uint32_t top_k;               /* candidates per hypothesis: 2 · width, or the vocabulary */
    uint32_t steps, audio_steps;  /* steps of the memory, and those before the padding */
    struct candidate *candidates; /* [rows · top_k] */
    float *values;                /* [rows, top_k]: log-probabilities of the best tokens */
    uint32_t *columns;            /* [rows, top_k]: those tokens */
    float *alignments;            /* [alignment_room, steps]: attention weights */
    size_t alignment_room;        /* in rows */
};

/*
 * Sets `to` to live hypothesis with->parent extended by one token; `alignment_row`: its attention
 * weights. False if it then loops or its attention moves backward.
 */
bool search_extend(struct search *search, struct hypothesis *to, const struct candidate *with,
                   uint32_t alignment_row);

/* Combines both scores, without the bonus for custom words. */
float search_combine_scores(const struct search *search, float speller_score, float ctc_score);

/*
 * The final score of a text of `count` tokens: score / length^penalty, where the end counts as a
 * token, plus the bonus for custom words, normalised by the length of the best text without them
 * or its own, the longer: a short text gains nothing by its length, nor a long one in noise, where
 * the best text has a word or two.
 */
float search_final_score(const struct search *search, float score, float bonus, uint32_t count);

/* The CTC prefix score of a hypothesis extended by `token`; 0 without a CTC head. */
float search_score_ctc(const struct search *search, const struct hypothesis *hypothesis,
                       uint32_t token);

/*
 * Fills `candidates` with the best continuations of live hypotheses first..end_row - 1; returns
 * their number.
 */
uint32_t search_expand(struct search *search, uint32_t first, uint32_t end_row);

/* Ends a live hypothesis. `with`: its end token; NULL: it is stopped without one. */
void search_end(struct search *search, const struct hypothesis *hypothesis,
                const struct candidate *with);

/* The best ended hypothesis, or NULL. */
const struct hypothesis *search_best(const struct search *search);

bool search_is_end(const struct search *search, uint32_t token);

/* ---- biased_beam.c ---- */

/*
 * Contextual biasing. Hypotheses that contain a custom word have a second beam, whose scores
 * include the bonus earned and part of the bonus in reach. The plain beam ignores the bonus, so a
 * text without custom words is the one that a search without a list finds, at any width.
 */

/* Both do nothing without custom words. init: false if out of memory. */
bool biased_beam_init(struct search *search);
void biased_beam_finish(struct search *search);

/* Sets match, bonus and what else a candidate has of custom words. */
void biased_beam_score(const struct search *search, struct candidate *candidate);

/* Reads the log-probabilities of all tokens for the live hypotheses. False on an error. */
bool biased_beam_read_scores(struct search *search, struct hearken_matrix log_probabilities);

/*
 * With beam_options.listed_only: sets values and columns to the best tokens that continue or end a
 * custom word that is the whole text.
 */
void biased_beam_top_listed(struct search *search, struct hearken_matrix log_probabilities);

/*
 * Adds biased hypotheses after the first `chosen` of `next`, those of the beam. `floor`: the
 * lowest score among these. With `chosen` 0 the beam is done, and the biased beam continues only
 * with hypotheses that may still win. Returns the number in `next`.
 */
uint32_t biased_beam_select(struct search *search, uint32_t chosen, float floor, uint32_t first_row,
                            uint32_t *parents, uint32_t *tokens);

/*
 * Whether a search could prefer a custom word after the only live hypothesis to a continuation of
 * this score. Needs custom words, and biased_beam_read_scores for that hypothesis.
 */
bool biased_beam_is_reachable(struct search *search, float score);

#endif
