// SPDX-License-Identifier: MIT
/*
 * Timestamps that the speller writes between words, by Whisper's rules (Radford et al., 2022;
 * `ApplyTimestampRules` of its reference implementation): a text begins with one, they come in
 * pairs (an end and the next start), and they never decrease.
 */
#ifndef HEARKEN_MODELS_SEARCH_TIMESTAMP_RULES_H
#define HEARKEN_MODELS_SEARCH_TIMESTAMP_RULES_H

#include "models/search/beam_result.h"
#include "models/search/token_scores.h"

/* Latest initial timestamp. */
#define TIMESTAMP_INITIAL_SECONDS 1.0

struct timestamp_rules {
    uint32_t first, count; /* timestamp tokens */
    uint32_t end;          /* the end-of-text token */
    uint32_t vocabulary;
    float *mask; /* [vocabulary]: suppressed tokens, timestamps excepted */
};

/* The text between two timestamps. */
struct timestamp_span {
    double start, end;     /* seconds from the start of the segment */
    uint32_t tokens_end;   /* one past its last token */
    float log_probability; /* mean over its tokens */
};

struct timestamp_span_list {
    struct timestamp_span *spans; /* made with malloc */
    size_t count;
};

/*
 * The model must have timestamps (control_tokens.timestamps > 0). `suppress` as for
 * token_masks_create. Errors: -EINVAL with a message, -ENOMEM.
 */
int timestamp_rules_create(const struct network *network, const char *suppress,
                           struct timestamp_rules **timestamps, struct hearken_error *error);
void timestamp_rules_destroy(struct timestamp_rules *timestamps);

/*
 * Turns logits of the token after `tokens` [count], the text so far, into log-probabilities by the
 * rules, in place.
 */
void timestamp_rules_apply(const struct timestamp_rules *timestamps, const uint32_t *tokens,
                           uint32_t count, float *row);

/*
 * Removes timestamps from a result and returns the spans of tokens between them. `seconds`: length
 * of the sound, which limits timestamps. Errors: -ENOMEM; the result is unchanged then.
 */
int timestamp_rules_extract(const struct timestamp_rules *timestamps, double seconds,
                            struct beam_result *result, struct timestamp_span_list *spans);

#endif
