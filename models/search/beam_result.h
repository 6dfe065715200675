// SPDX-License-Identifier: MIT
/* What a beam search finds. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_RESULT_H
#define HEARKEN_MODELS_SEARCH_BEAM_RESULT_H

#include <stdbool.h>
#include <stdint.h>

/* The best hypothesis. Arrays are made with malloc, the caller's (beam_result_finish). */
struct beam_result {
    uint32_t *tokens;         /* [count], without the start and the end */
    float *log_probabilities; /* [count], the speller's */
    float *alignment;         /* [count + 1, steps]: a row for each token, one for the end */
    uint32_t count, steps;
    float log_probability; /* sum over the tokens and the end */
    float no_speech;
    bool stopped; /* did not end by itself: it went in a loop, looked back, or grew too long */
};

void beam_result_finish(struct beam_result *result);

#endif
