// SPDX-License-Identifier: MIT
/* What beam search and the check of a guess share. Private to models/beam.c and models/follow.c. */
#ifndef HEARKEN_MODELS_SEARCH_H
#define HEARKEN_MODELS_SEARCH_H

#include "beam.h"
#include "limits.h"

struct hypothesis {
    uint32_t *tokens;         /* [max_tokens + 1] */
    float *log_probabilities; /* [max_tokens + 1] */
    uint32_t *looks;          /* [max_tokens + 1]: rows of the search's alignments */
    uint32_t count;
    float speller_score; /* sum of the log-probabilities */
    float ctc_score;     /* log-probability of the prefix */
    struct limits_attention attention;
    struct ctc_state ctc;
    bool ended, stopped; /* stopped: made to end */
};

/* A hypothesis and one more token. */
struct candidate {
    uint32_t parent, token;
    float log_probability, ctc_score, score;
};

struct search {
    const struct beam_options *options;
    struct speller *speller;
    struct pass *pass;
    const struct network *network;
    const struct ctc_scores *ctc;
    struct hypothesis *live, *next, *ended; /* [width] each */
    uint32_t live_count, ended_count;
    uint32_t steps, sound_steps;  /* of the memory, and of it before the padding */
    struct candidate *candidates; /* [width · 2 · width] */
    float *values;                /* [width, 2 · width]: of top_k */
    uint32_t *columns;            /* likewise */
    float *alignments;            /* [looks, steps]: a row for each hypothesis of each step */
    size_t look_room;             /* rows there is room for */
    struct ctc_state scratch;
};

/* `to` becomes hypothesis with->parent of the live ones and one more token, which looked at row
 * `look`. False if it then goes in a loop or looks back. */
bool search_extend(struct search *search, struct hypothesis *to, const struct candidate *with,
                   uint32_t look);

/* The first `count` of `next` are the live ones now. */
void search_take_next(struct search *search, uint32_t count);

/* Reads where the last call of the speller looked into rows first..first + rows; makes room for
 * them. False on an error. */
bool search_read_looks(struct search *search, uint32_t first, uint32_t rows);

/* The CTC score of a hypothesis with one more token; 0 without a CTC head. */
float search_score_ctc(struct search *search, const struct hypothesis *hypothesis, uint32_t token);

/* Whether the end may come now: its log-probability, and that of the best other token. */
bool search_may_end(const struct search *search, float log_probability, float other);

/*
 * Takes over the guess as the one live hypothesis, as far as it holds. `logits` [1, vocabulary]:
 * those of the first token → those of the token behind what was taken. `look`: the next free row.
 */
struct hearken_matrix search_follow(struct search *search, struct hearken_matrix logits,
                                    uint32_t *look);

#endif
