// SPDX-License-Identifier: MIT
/*
 * CTC prefix scores: the probability, by the CTC head, of all texts that start with a prefix
 * (Graves, 2008, section 7.3; Watanabe et al., 2017, "Hybrid CTC/Attention", algorithm 2).
 */
#ifndef HEARKEN_MODELS_SEARCH_CTC_PREFIX_H
#define HEARKEN_MODELS_SEARCH_CTC_PREFIX_H

#include <stddef.h>
#include <stdint.h>

/* Log-probabilities of the CTC head, [steps, vocabulary]; borrowed. */
struct ctc_scores {
    const float *log_probabilities;
    uint32_t steps, vocabulary, blank;
};

/*
 * Per step: log-probability that the prefix is complete by then, in all and with a blank as last
 * label.
 */
struct ctc_state {
    float *either, *blank; /* [steps] each; either: a token or a blank is last */
};

/* Sets the state of the empty prefix. `state` [steps]. */
void ctc_prefix_start(const struct ctc_scores *scores, struct ctc_state *state);

/*
 * Log-probability of the prefix `from` extended by `token`. `last`: its last token, or
 * NO_LAST_TOKEN.
 */
float ctc_prefix_score(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token);

/* Sets `to` to the state of the extended prefix. */
void ctc_prefix_extend(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token, struct ctc_state *to);

/* Log-probability that the text is exactly this prefix. */
float ctc_prefix_end(const struct ctc_scores *scores, const struct ctc_state *state);

#define NO_LAST_TOKEN UINT32_MAX

#endif
