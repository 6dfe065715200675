// SPDX-License-Identifier: MIT
/* Turns transcripts into events and passes them to the callback. */
#ifndef HEARKEN_MODELS_STREAM_EVENT_EMITTER_H
#define HEARKEN_MODELS_STREAM_EVENT_EMITTER_H

#include "models/stream/recognizer.h"
#include "models/text/vocabulary.h"

#include <hearken/hearken.h>

/* For one thread at a time. Pointers are borrowed. */
struct event_emitter {
    hearken_event_callback *callback;
    void *context;
    const struct vocabulary *vocabulary;
    double step_seconds; /* seconds of one alignment step */
    bool alignment;      /* events carry their alignment */
    uint32_t channel;    /* of the events */
    bool shown;          /* the last event was partial and not empty */
};

/*
 * Emits the text of the sound from `start` to `end`, seconds. An empty text emits nothing, unless
 * it takes back a partial text. Errors: -ENOMEM.
 */
int event_emitter_text(struct event_emitter *emitter, enum hearken_event_type type,
                       const struct transcript *transcript, double start, double end);

/* Emits a final text: one event per timestamp span, if it has spans. Errors: -ENOMEM. */
int event_emitter_final(struct event_emitter *emitter, const struct transcript *transcript,
                        double start, double end);

/* Emits an event without text. `sample`: position in the stream, at HEARKEN_RATE. */
void event_emitter_voice(struct event_emitter *emitter, enum hearken_event_type type,
                         uint64_t sample);

#endif
