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
    /* The longest speech without a word, and a pause beside it, seconds in the stream. Speech of 0
     * seconds: unknown, or none. Pause at 0: there is none with speech on both sides. */
    double lost_seconds, lost_pause;
};

/* The sound that words are placed in. */
struct word_times_sound {
    double start;        /* time of the first step */
    double seconds;      /* without padding */
    double step_seconds; /* of the memory */
    const float *voice;  /* [seconds * 100]: probability of speech; NULL: unknown */
};

/*
 * Groups tokens into words. Where the voice network heard no speech, there is no word. `list` is
 * made with malloc and owned by the caller (word_times_finish). Errors: -ENOMEM.
 */
int word_times_make(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, const struct word_times_sound *sound);
void word_times_finish(struct word_times *list);

/*
 * Aligns rows of weights [rows, steps] with steps: the monotonic path of the largest weights, by
 * dynamic time warping. `begins` [rows]: the step at which each row begins. `stride`: distance of
 * rows in `weights`. Errors: -ENOMEM.
 */
int word_times_align(const float *weights, uint32_t rows, uint32_t steps, uint32_t stride,
                     uint32_t *begins);

#endif
