// SPDX-License-Identifier: MIT
/*
 * Words of a list in a beam search. Hypotheses that write one go in a lane of their own beside the
 * beam, also when they would not be in it without the list; there, what they have earned or may
 * earn counts. The beam knows nothing of that. So a text that holds no listed word is the one that
 * a search without a list finds, at any width. Private to models/search/beam_search.c and
 * models/search/draft_verification.c.
 */
#ifndef HEARKEN_MODELS_SEARCH_BIASED_BEAM_H
#define HEARKEN_MODELS_SEARCH_BIASED_BEAM_H

#include "models/search/search_state.h"

/* Errors: false without memory. Both do nothing where there is no list. */
bool biased_beam_init(struct search *search);
void biased_beam_finish(struct search *search);

/* What the candidate's words earn; what else is in it is there already. */
void biased_beam_score(const struct search *search, struct candidate *candidate);

/* Reads the scores of all tokens for the live hypotheses. False on an error. */
bool biased_beam_read_scores(struct search *search, struct hearken_matrix log_probabilities);

/*
 * Adds hypotheses of the lane to the `chosen` ones of the beam in `next`. `floor`: the lowest score
 * among those; where there are none, because the beam is done, the lane goes on as long as it may
 * find something better. Returns how many there are now.
 */
uint32_t biased_beam_select(struct search *search, uint32_t chosen, float floor, uint32_t first_row,
                            uint32_t *parents, uint32_t *tokens);

/* Whether a listed word might be written behind the one live hypothesis, for which
 * biased_beam_read_scores was called, where what is written otherwise has this score. Only where
 * there is a list. */
bool biased_beam_is_reachable(struct search *search, float score);

#endif
