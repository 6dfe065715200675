// SPDX-License-Identifier: MIT
/* The result of a beam search. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_RESULT_H
#define HEARKEN_MODELS_SEARCH_BEAM_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* The best hypothesis. Arrays are made with malloc and owned by the caller (beam_result_finish). */
struct beam_result {
    uint32_t *tokens;         /* [count], without start tokens and the end */
    float *log_probabilities; /* [count], by the speller alone */
    float *alignment; /* [count + 1, steps]: attention weights; a row for each token, one for the
                         end */
    uint32_t count, steps;
    float log_probability;       /* sum over the tokens and the end */
    float words_log_probability; /* of the words: all variants in capitals and punctuation that
                                    the beam holds, together, with the bonus for custom words */
    float bonus;                 /* for custom words */
    float no_speech;
    bool is_listed; /* with beam_options.listed_only */
    bool stopped;   /* did not end by itself: a loop, attention that moved backward, or too many
                       tokens */
};

static inline void beam_result_finish(struct beam_result *result)
{
    free(result->tokens);
    free(result->log_probabilities);
    free(result->alignment);
    *result = (struct beam_result){0};
}

#endif
