// SPDX-License-Identifier: MIT
/*
 * Times that the speller writes between its words, by Whisper's rules (Radford et al., 2022;
 * `ApplyTimestampRules` of its reference implementation): a text begins with one, they come in
 * pairs (an end and the next start) and never go back.
 */
#ifndef HEARKEN_MODELS_SEARCH_TIMESTAMP_RULES_H
#define HEARKEN_MODELS_SEARCH_TIMESTAMP_RULES_H

#include "models/search/beam_result.h"
#include "models/search/token_masks.h"

/* The first time is no later than this. */
#define TIMESTAMP_INITIAL_SECONDS 1.0

struct timestamp_rules {
    uint32_t first, count; /* tokens */
    uint32_t end;          /* the end-of-text token */
    uint32_t vocabulary;
    float *mask; /* [vocabulary]: what is never written, times excepted */
};

/* What was said between two times. */
struct timestamp_span {
    double start, end;     /* seconds from the start of the segment */
    uint32_t tokens_end;   /* behind its last token */
    float log_probability; /* mean of its tokens */
};

struct timestamp_span_list {
    struct timestamp_span *spans; /* made with malloc */
    size_t count;
};

/* The model has times (control_tokens.timestamps > 0). `suppress` as for token_masks_create.
 * Errors: -EINVAL with a message, -ENOMEM. */
int timestamp_rules_create(const struct network *network, const char *suppress,
                           struct timestamp_rules **timestamps, struct hearken_error *error);
void timestamp_rules_destroy(struct timestamp_rules *timestamps);

/* Logits of what follows `tokens` [count], the text so far, become log-probabilities, in place. */
void timestamp_rules_apply(const struct timestamp_rules *timestamps, const uint32_t *tokens,
                           uint32_t count, float *row);

/*
 * Takes the times out of a result, so that it is as one without them, and tells which tokens lie
 * between two. `seconds`: length of the sound; no time is later. Errors: -ENOMEM; the result is
 * then as it was.
 */
int timestamp_rules_extract(const struct timestamp_rules *timestamps, double seconds,
                            struct beam_result *result, struct timestamp_span_list *spans);

#endif
