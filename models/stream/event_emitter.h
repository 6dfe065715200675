// SPDX-License-Identifier: MIT
/* Makes events of what was heard, and hands them to who asked for them. */
#ifndef HEARKEN_MODELS_STREAM_EVENT_EMITTER_H
#define HEARKEN_MODELS_STREAM_EVENT_EMITTER_H

#include "models/stream/recognizer.h"
#include "models/text/vocabulary.h"

#include <hearken/hearken.h>

/* For one thread at a time. What it points to is borrowed. */
struct event_emitter {
    hearken_event_callback *callback;
    void *context;
    const struct vocabulary *vocabulary;
    double step_seconds; /* of an alignment */
    bool alignment;      /* events have theirs */
    bool shown;          /* the last event was partial and had text */
};

/*
 * A text of the sound from `start` to `end`, seconds. Silence is no event, but for a partial one
 * that takes back what an earlier one has shown. -ENOMEM.
 */
int event_emitter_text(struct event_emitter *emitter, enum hearken_event_type type,
                       const struct transcript *transcript, double start, double end);

/* A final text; where it has spans, one for each of them. -ENOMEM. */
int event_emitter_final(struct event_emitter *emitter, const struct transcript *transcript,
                        double start, double end);

/* An event without text. `sample`: of the stream, at HEARKEN_RATE. */
void event_emitter_voice(struct event_emitter *emitter, enum hearken_event_type type,
                         uint64_t sample);

#endif
