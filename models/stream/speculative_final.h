// SPDX-License-Identifier: MIT
/*
 * A final text that is made before its segment has ended. A segment ends after some silence, of
 * which only the first part belongs to it: once that part is there, nothing that comes will change
 * the text, unless somebody speaks again. So the rest of the silence is not waited for in vain. A
 * stream's own, like its recognizer.
 */
#ifndef HEARKEN_MODELS_STREAM_SPECULATIVE_FINAL_H
#define HEARKEN_MODELS_STREAM_SPECULATIVE_FINAL_H

#include "models/stream/recognizer.h"

/* All zeros: there is none. */
struct speculative_final {
    bool ready;
    uint64_t from, to; /* samples of the stream */
    struct transcript transcript;
    uint64_t taken; /* texts that were of use */
};

/* Somebody speaks again, or the stream ends. */
void speculative_final_drop(struct speculative_final *speculative);

/* Whether the text of these samples of the stream is ready. */
bool speculative_final_is_ready(const struct speculative_final *speculative, uint64_t from,
                                uint64_t to);

/* Makes the text of samples from <= i < to of the stream, which begin at `samples`. Errors as
 * recognizer_recognise; there is none then. */
int speculative_final_make(struct speculative_final *speculative, struct recognizer *recognizer,
                           const float *samples, uint64_t from, uint64_t to,
                           const struct beam_draft *committed);

/* Gives the text of these samples away, if it is ready; drops what else there is. */
bool speculative_final_take(struct speculative_final *speculative, uint64_t from, uint64_t to,
                            struct transcript *transcript);

#endif
