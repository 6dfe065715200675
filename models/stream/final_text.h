// SPDX-License-Identifier: MIT
/*
 * The final texts of a segment. Mostly one; but where the text repeats itself or leaves out speech
 * beside a pause, the segment is recognised again in two parts.
 */
#ifndef HEARKEN_MODELS_STREAM_FINAL_TEXT_H
#define HEARKEN_MODELS_STREAM_FINAL_TEXT_H

#include "models/stream/recognizer.h"

/*
 * Gets the texts in the order of the sound, `start` and `end` in seconds of the stream. It may move
 * the transcript away, which is all zeros then. 0 or a negative errno.
 */
typedef int final_text_callback(void *context, struct transcript *transcript, double start,
                                double end);

struct final_text {
    struct recognizer *recognizer;
    final_text_callback *callback;
    void *context;
};

/* Recognises a segment. Errors: as recognizer_recognise, and those of the callback. */
int final_text_recognise(const struct final_text *final, const struct segment_sound *sound);

/*
 * Gives the transcript of a segment that begins with `forced` committed tokens to the callback, or
 * recognises the segment in parts. Finishes the transcript. Errors as above.
 */
int final_text_complete(const struct final_text *final, const struct segment_sound *sound,
                        uint32_t forced, struct transcript *transcript);

/* Samples from <= i < to of a segment, counted from its first. */
struct segment_sound final_text_part(const struct segment_sound *sound, size_t from, size_t to);

#endif
