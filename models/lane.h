// SPDX-License-Identifier: MIT
/*
 * Words of a list in a beam search. Hypotheses that write one go in a lane of their own beside the
 * beam, also when they would not be in it without the list; there, what they have earned or may
 * earn counts. The beam knows nothing of that. So a text that holds no listed word is the one that
 * a search without a list finds, at any width. Private to models/beam.c and models/follow.c.
 */
#ifndef HEARKEN_MODELS_LANE_H
#define HEARKEN_MODELS_LANE_H

#include "search.h"

/* Errors: false without memory. Both do nothing where there is no list. */
bool lane_init(struct search *search);
void lane_finish(struct search *search);

/* What the candidate's words earn; what else is in it is there already. */
void lane_rate(const struct search *search, struct candidate *candidate);

/* Reads the scores of all tokens for the live hypotheses. False on an error. */
bool lane_read(struct search *search, struct hearken_matrix log_probabilities);

/*
 * Adds hypotheses of the lane to the `chosen` ones of the beam in `next`. `floor`: the lowest score
 * among those; where there are none, because the beam is done, the lane goes on as long as it may
 * find something better. Returns how many there are now.
 */
uint32_t lane_choose(struct search *search, uint32_t chosen, float floor, uint32_t first_look,
                     uint32_t *parents, uint32_t *tokens);

/* Whether a listed word might be written behind the one live hypothesis, for which lane_read was
 * called, where what is written otherwise has this score. Only where there is a list. */
bool lane_is_near(struct search *search, float score);

#endif
