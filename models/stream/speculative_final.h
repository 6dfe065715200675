// SPDX-License-Identifier: MIT
/*
 * A final text recognised before its segment has ended. A segment ends after a pause of which only
 * the first part belongs to it. Once that part is there, only new speech can change the text, so it
 * is recognised during the rest of the pause. One per stream, used by the thread of its recognizer.
 */
#ifndef HEARKEN_MODELS_STREAM_SPECULATIVE_FINAL_H
#define HEARKEN_MODELS_STREAM_SPECULATIVE_FINAL_H

#include "models/stream/recognizer.h"

/* All zeros: no text is ready. */
struct speculative_final {
    bool ready;
    uint64_t from, to; /* positions in the stream, samples */
    struct transcript transcript;
    uint64_t taken; /* texts that were used */
};

/* Drops the text: speech goes on, or the stream ends. */
void speculative_final_drop(struct speculative_final *speculative);

/* Whether the text of these samples is ready. */
bool speculative_final_is_ready(const struct speculative_final *speculative, uint64_t from,
                                uint64_t to);

/*
 * Recognises `sound`, samples from <= i < to of the stream. `committed`: tokens to begin with.
 * Errors as recognizer_recognise; no text is ready then.
 */
int speculative_final_make(struct speculative_final *speculative, struct recognizer *recognizer,
                           const struct segment_sound *sound, uint64_t from, uint64_t to,
                           const struct beam_draft *committed);

/*
 * Moves the text of these samples to `transcript`, if it is ready. A text of other samples is
 * dropped, and the result is false.
 */
bool speculative_final_take(struct speculative_final *speculative, uint64_t from, uint64_t to,
                            struct transcript *transcript);

#endif
