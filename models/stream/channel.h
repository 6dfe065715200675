// SPDX-License-Identifier: MIT
/*
 * One mono signal in, events out: divides it into segments (of speech if the model has a voice
 * activity network, else at quiet places), recognises each and emits events. A stream has one for
 * the mixed sound, and one for each channel that it recognises on its own (separator.h). Used by
 * one thread at a time.
 */
#ifndef HEARKEN_MODELS_STREAM_CHANNEL_H
#define HEARKEN_MODELS_STREAM_CHANNEL_H

#include "models/stream/model.h"

#include <hearken/hearken.h>
#include <stdatomic.h>

struct channel;
struct custom_words;

/* What the channels of a stream share. It and everything in it must outlive them. */
struct channel_setup {
    struct hearken_model *model;
    struct hearken_stream_options options;
    const struct custom_words *words; /* NULL: none */
    bool is_urgent;                   /* of channels that are made; channel_set_urgent */
    const atomic_bool *cancelled;
    hearken_event_callback *callback;
    void *context;
};

/* `number`: the channel of its events. Errors: as recognizer_create, with a message. */
int channel_create(const struct channel_setup *setup, uint32_t number, struct channel **channel,
                   struct hearken_error *error);
void channel_destroy(struct channel *channel);

/* Adds samples at HEARKEN_RATE. Errors: -ECANCELED, -ENOMEM, the backend's. */
int channel_write(struct channel *channel, const float *samples, size_t count);

/* Adds the last samples and recognises the rest; emits no end event. Errors as for channel_write.
 */
int channel_finish(struct channel *channel, const float *samples, size_t count);

/* Segments that begin before this sample of the stream are found, but not recognised. Only before
 * the first of them has ended. */
void channel_resume(struct channel *channel, uint64_t sample);

/* A sample of the stream: no segment whose texts are to come begins before it. */
uint64_t channel_first_needed(const struct channel *channel);

/* Where the last segment ended whose texts were emitted; 0: there was none. */
uint64_t channel_last_end(const struct channel *channel);

/* Whether each segment is recognised without regard to those before it. */
bool channel_is_independent(const struct channel *channel);

/*
 * Goes past `count` samples of digital silence, a multiple of LOGMEL_HOP, as if they had been
 * written. Only before the first sample, or while the channel rests.
 */
void channel_skip(struct channel *channel, size_t count);

/* Whether no segment is open or may begin in what was written, so that silence can be skipped.
 * Never true without a voice network. */
bool channel_rests(const struct channel *channel);

/* Whether somebody speaks at the end of what was written. */
bool channel_is_speaking(const struct channel *channel);

/* Whether another channel speaks: then a short pause ends the segment, as it is their turn. */
void channel_set_turn(struct channel *channel, bool others_speak);

/* The sound is of somebody who speaks now, and so many seconds of it are there already. */
void channel_set_waiting(struct channel *channel, double seconds);

/* Whether somebody waits for each text (recognizer.h). Segments that are recognised at the same
 * time are not urgent, once there were some. */
void channel_set_urgent(struct channel *channel, bool is_urgent);

/* The stream waited this long for sound. */
void channel_add_idle(struct channel *channel, double seconds);

/* Adds to `counters`. */
void channel_count(const struct channel *channel, struct hearken_stream_counters *counters);

#endif
