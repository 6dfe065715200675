// SPDX-License-Identifier: MIT
/*
 * One segment of sound to text: features, listener, beam search, guards, words. One per stream,
 * used by one thread at a time; its buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_RECOGNIZER_H
#define HEARKEN_MODELS_RECOGNIZER_H

#include "model.h"
#include "words.h"

struct recognizer;

/* What was heard in a segment. The caller's: transcript_finish. */
struct transcript {
    char *text; /* "" if nothing was said; never NULL after success */
    float confidence;
    size_t committed; /* bytes of the text that stay as they are */
    struct word_list words;
    size_t committed_words;    /* that lie in them */
    struct beam_result search; /* tokens and their alignment */
    float no_speech;           /* the network's own opinion, 0..1 */
    float log_probability;     /* mean of a token */
    float compression;
    bool looped; /* the text was a loop and has been dropped */
};

/* `cancelled` is asked between kernels. Errors: -ENOMEM, the backend's. */
int recognizer_create(struct hearken_model *model, const struct hearken_stream_options *options,
                      const atomic_bool *cancelled, struct recognizer **recognizer);
void recognizer_destroy(struct recognizer *recognizer);

/* The most samples of a segment, at HEARKEN_RATE. */
size_t recognizer_max_samples(const struct recognizer *recognizer);

/*
 * The whole segment: full attention and beam search. `start`: its time in the stream. Errors:
 * -ECANCELED, -ENOMEM, the backend's.
 */
int recognizer_recognise(struct recognizer *recognizer, const float *samples, size_t count,
                         double start, struct transcript *transcript);

/*
 * The segment so far, greedily: the same samples as at the last call and some more. A listener that
 * was trained for it hears only what is new; `fresh`: a new segment begins here.
 */
int recognizer_glance(struct recognizer *recognizer, const float *samples, size_t count,
                      double start, bool fresh, struct transcript *transcript);

/* Length of one step of the memory. */
double recognizer_step_seconds(const struct recognizer *recognizer);

void transcript_finish(struct transcript *transcript);

#endif
