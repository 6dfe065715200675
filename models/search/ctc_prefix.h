// SPDX-License-Identifier: MIT
/*
 * How well a prefix of a text goes with the CTC head: the probability of all texts that start with
 * it (Graves, 2008, section 7.3; Watanabe et al., 2017, "Hybrid CTC/Attention", algorithm 2).
 */
#ifndef HEARKEN_MODELS_SEARCH_CTC_PREFIX_H
#define HEARKEN_MODELS_SEARCH_CTC_PREFIX_H

#include <stddef.h>
#include <stdint.h>

/* Log-probabilities of the head, [steps, vocabulary]; borrowed. */
struct ctc_scores {
    const float *log_probabilities;
    uint32_t steps, vocabulary, blank;
};

/* For each step: log-probability that the prefix was written by then, and that a blank came last.
 */
struct ctc_state {
    float *either, *blank; /* [steps] each; either: a token or a blank came last */
};

/* The empty prefix. `state` has room for the steps. */
void ctc_prefix_start(const struct ctc_scores *scores, struct ctc_state *state);

/*
 * Log-probability of the prefix of `from`, whose last token is `last` (NO_LAST_TOKEN: it is empty),
 * continued with `token`.
 */
float ctc_prefix_score(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token);

/* `to` becomes the state of that prefix. */
void ctc_prefix_extend(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token, struct ctc_state *to);

/* Log-probability that the text ends with this prefix. */
float ctc_prefix_end(const struct ctc_scores *scores, const struct ctc_state *state);

#define NO_LAST_TOKEN UINT32_MAX

#endif
