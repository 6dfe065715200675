// SPDX-License-Identifier: MIT
/*
 * Recognises one segment: features, listener, beam search, confidence filter, word times. One per
 * stream, used by one thread at a time. Buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_STREAM_RECOGNIZER_H
#define HEARKEN_MODELS_STREAM_RECOGNIZER_H

#include "models/search/beam_search.h"
#include "models/search/timestamp_rules.h"
#include "models/stream/model.h"
#include "models/stream/word_times.h"

struct recognizer;

/* The sound of a segment. The arrays are the caller's. */
struct segment_sound {
    const float *samples; /* [count], mono at HEARKEN_RATE */
    size_t count;
    double start; /* its time in the stream, seconds */
    const float
        *voice; /* [count / LOGMEL_HOP]: probability of speech in each frame; NULL: unknown */
};

/* The result for a segment. Owned by the caller, released with recognizer_transcript_finish. */
struct transcript {
    char *text; /* "" for silence; never NULL after success */
    float confidence;
    size_t committed; /* bytes at its start that later texts of the segment keep */
    struct word_times words;
    size_t committed_words;    /* words within those bytes */
    struct beam_result search; /* tokens and their alignment */
    float no_speech;           /* no-speech probability, 0..1 */
    float log_probability;     /* mean over the tokens */
    float compression;
    double encoded_seconds;           /* seconds of the segment that the listener has encoded */
    bool looped;                      /* the text repeats itself */
    bool dropped;                     /* rejected as invented: only forced tokens are left */
    struct timestamp_span_list spans; /* text between timestamps; empty without timestamps */
    float temperature;                /* at which the text was sampled; 0: beam search */
    const char *language;             /* as in an event */
    float language_probability;
};

/*
 * `words` (NULL: none) must outlive the recognizer; `is_urgent`: as recognizer_set_urgent says;
 * `cancelled` is read between kernels. Errors: -EINVAL for options that the model does not support,
 * -ENOMEM, the backend's; all with a message.
 */
int recognizer_create(struct hearken_model *model, const struct hearken_stream_options *options,
                      const struct custom_words *words, bool is_urgent,
                      const atomic_bool *cancelled, struct recognizer **recognizer,
                      struct hearken_error *error);
void recognizer_destroy(struct recognizer *recognizer);

/*
 * Whether somebody waits for each text: it then does not wait for an encoder (encoder_pool.h), and
 * its steps are made together only with those of texts that are urgent, too. Between texts.
 */
void recognizer_set_urgent(struct recognizer *recognizer, bool is_urgent);

/* Maximum length of a segment, samples at HEARKEN_RATE. */
size_t recognizer_max_samples(const struct recognizer *recognizer);

/*
 * Recognises a whole segment with full attention and beam search. Every token of `draft` is forced.
 * A rejected text leaves only the forced tokens. Errors: -ECANCELED, -ENOMEM, the backend's.
 */
int recognizer_recognise(struct recognizer *recognizer, const struct segment_sound *sound,
                         const struct beam_draft *draft, struct transcript *transcript);

/* Whether the voice network heard speech for which the text has no words (words.lost_seconds). */
bool transcript_is_incomplete(const struct transcript *transcript);

/* Whether a text depends on its segment alone, not on those before it. */
bool recognizer_is_independent(const struct recognizer *recognizer);

/* Makes a final text the prompt of the next one, where the options ask for that. */
void recognizer_set_previous(struct recognizer *recognizer, const struct transcript *transcript);

/* Begins a segment that recognizer_recognise_partial will decode as it grows. */
void recognizer_begin_partial(struct recognizer *recognizer);

/*
 * Recognises the segment so far greedily, starting from a draft. `sound`: that of the last call and
 * more. A listener trained for chunks encodes only the new part. 0: `transcript` is filled; 1:
 * nothing new was encoded and `transcript` is empty. Errors as for recognizer_recognise.
 */
int recognizer_recognise_partial(struct recognizer *recognizer, const struct segment_sound *sound,
                                 const struct beam_draft *draft, struct transcript *transcript);

/*
 * Whether partial texts encode only new sound. If so, recognizer_recognise must not be called
 * between them.
 */
bool recognizer_is_incremental(const struct recognizer *recognizer);

/* Whether word times come from known alignment heads. */
bool recognizer_has_alignment_heads(const struct recognizer *recognizer);

/* Seconds of one step of the memory. */
double recognizer_step_seconds(const struct recognizer *recognizer);

void recognizer_transcript_finish(struct transcript *transcript);

#endif
