// SPDX-License-Identifier: MIT
/*
 * One segment of sound to text: features, listener, beam search, guards, words. One per stream,
 * used by one thread at a time; its buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_STREAM_RECOGNIZER_H
#define HEARKEN_MODELS_STREAM_RECOGNIZER_H

#include "models/search/beam_search.h"
#include "models/search/timestamp_rules.h"
#include "models/stream/model.h"
#include "models/stream/word_times.h"

struct recognizer;

/* What was heard in a segment. The caller's: transcript_finish. */
struct transcript {
    char *text; /* "" if nothing was said; never NULL after success */
    float confidence;
    size_t committed; /* bytes of the text that stay as they are */
    struct word_times words;
    size_t committed_words;    /* that lie in them */
    struct beam_result search; /* tokens and their alignment */
    float no_speech;           /* the network's own opinion, 0..1 */
    float log_probability;     /* mean of a token */
    float compression;
    double heard_seconds; /* of the segment: its end, as far as it was heard */
    bool looped;          /* the text was a loop */
    bool dropped;         /* it was not believed: only what was forced is left */
    struct timestamp_span_list
        spans;            /* between the times that were written; none without timestamps */
    float temperature;    /* 0, or at which chance it was written */
    const char *language; /* as that of an event */
    float language_probability;
};

/* `words` (NULL: none) have to live longer; `cancelled` is asked between kernels. Errors: -EINVAL
 * for what the model cannot do, -ENOMEM, the backend's; all with a message. */
int recognizer_create(struct hearken_model *model, const struct hearken_stream_options *options,
                      const struct custom_words *words, const atomic_bool *cancelled,
                      struct recognizer **recognizer, struct hearken_error *error);
void recognizer_destroy(struct recognizer *recognizer);

/* The most samples of a segment, at HEARKEN_RATE. */
size_t recognizer_max_samples(const struct recognizer *recognizer);

/*
 * The whole segment: full attention and beam search. `start`: its time in the stream; `guess`: all
 * of it forced. A text that is dropped leaves that of the forced tokens. Errors: -ECANCELED,
 * -ENOMEM, the backend's.
 */
int recognizer_recognise(struct recognizer *recognizer, const float *samples, size_t count,
                         double start, const struct beam_draft *draft,
                         struct transcript *transcript);

/* What a final text says was said: the next one follows on it, if that is asked for. */
void recognizer_set_previous(struct recognizer *recognizer, const struct transcript *transcript);

/* A new segment begins, to be glanced at. */
void recognizer_begin(struct recognizer *recognizer);

/*
 * The segment so far, greedily, starting from a guess: the same samples as at the last call and
 * some more. A listener that was trained for it hears only what is new. 0: `transcript` is made; 1:
 * no more was heard than at the last call, and none is. Errors as for recognise.
 */
int recognizer_recognise_partial(struct recognizer *recognizer, const float *samples, size_t count,
                                 double start, const struct beam_draft *draft,
                                 struct transcript *transcript);

/* Whether glances hear only what is new: then nothing may be recognised between them. */
bool recognizer_is_incremental(const struct recognizer *recognizer);

/* Whether the times of words come from heads that are known to go along the sound. */
bool recognizer_aligns(const struct recognizer *recognizer);

/* Length of one step of the memory. */
double recognizer_step_seconds(const struct recognizer *recognizer);

void transcript_finish(struct transcript *transcript);

#endif
