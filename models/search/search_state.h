// SPDX-License-Identifier: MIT
/* What beam search and the check of a guess share. Private to models/search/beam_search.c and
 * models/search/draft_verification.c. */
#ifndef HEARKEN_MODELS_SEARCH_SEARCH_STATE_H
#define HEARKEN_MODELS_SEARCH_SEARCH_STATE_H

#include "models/network/token_masks.h"
#include "models/search/beam_search.h"
#include "models/search/repetition_guard.h"

struct biased;

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
    bool is_biased, in_phrase; /* it came from the lane (biased_beam.h); and is in a word there */
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
    struct biased *biased;           /* NULL: no words are listed */
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

/* The first `count` of `next` are the live ones now. */
void search_take_next(struct search *search, uint32_t count);

/* Reads where the last call of the speller looked into rows first..first + rows; makes room for
 * them. False on an error. */
bool search_read_alignments(struct search *search, uint32_t first, uint32_t rows);

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

/* What may not be written there. */
const struct hearken_tensor *search_mask(const struct search *search, enum place_in_text place);

/* Whether the end may come now: its log-probability, and that of the best other token. */
bool search_may_end(const struct search *search, float log_probability, float other);

/*
 * Takes over the guess as the one live hypothesis, as far as it holds. `logits` [1, vocabulary]:
 * those of the first token → those of the token behind what was taken. `look`: the next free row.
 */
struct hearken_matrix search_verify_draft(struct search *search, struct hearken_matrix logits,
                                          uint32_t *alignment_row);

#endif
