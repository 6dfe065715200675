// SPDX-License-Identifier: MIT
/* From tokens and their alignment to words with times and confidence. */
#ifndef HEARKEN_MODELS_STREAM_WORD_TIMES_H
#define HEARKEN_MODELS_STREAM_WORD_TIMES_H

#include "models/search/beam_result.h"
#include "models/text/vocabulary.h"

#include <hearken/hearken.h>

struct word_times {
    struct hearken_word *words;
    uint32_t *ends; /* [count]: tokens up to the end of each word */
    size_t count;
};

/*
 * Groups tokens into words. `start`: time of the first step; `seconds`: length of the sound without
 * padding. `list` is made with malloc and owned by the caller (word_times_finish). Errors: -ENOMEM.
 */
int word_times_make(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, double start, double seconds,
                    double step_seconds);
void word_times_finish(struct word_times *list);

/*
 * Aligns rows of weights [rows, steps] with steps: the monotonic path of the largest weights, by
 * dynamic time warping. `begins` [rows]: the step at which each row begins. `stride`: distance of
 * rows in `weights`. Errors: -ENOMEM.
 */
int word_times_align(const float *weights, uint32_t rows, uint32_t steps, uint32_t stride,
                     uint32_t *begins);

#endif
