// SPDX-License-Identifier: MIT
/*
 * Which channels of a recording are to be heard, and when. Takes the channels at HEARKEN_RATE and
 * gives lanes, each a mono signal for a recogniser of its own: lane 0 holds all channels mixed,
 * lane c channel c, counted from 1. What a lane must not hold is digital silence in it, so that all
 * of it keeps its time.
 *
 * A channel is silenced while it has only a copy of what another one holds louder: cross-talk.
 * Where it has sound of its own as well, what leaks into it is subtracted. Copies are found by the
 * normalised cross-correlation of the two, at any delay up to 20 ms. With `automatic`, the lanes of
 * the channels are silent as long as the channels hold the same sound at like levels (mono in two
 * channels, a room in stereo), and lane 0 otherwise.
 *
 * No I/O; used by one thread at a time. The result does not depend on how samples are divided into
 * calls. The delay is 0.8 s; at the start 2.5 s, and with `automatic` up to 8 s, until there
 * were 1.5 s of sound to decide by.
 */
#ifndef HEARKEN_MODELS_STREAM_SEPARATOR_H
#define HEARKEN_MODELS_STREAM_SEPARATOR_H

#include <hearken/hearken.h>

/* Samples of a hop, 60 ms: a multiple of LOGMEL_HOP. */
#define SEPARATOR_HOP   960u
#define SEPARATOR_LANES (1 + HEARKEN_CHANNELS_EACH_MAX)

struct separator;

struct separator_hop {
    size_t count; /* samples: SEPARATOR_HOP, or less at the end */
    /* [count]; NULL: silence. Live until the next call. */
    const float *lanes[SEPARATOR_LANES];
};

/* For 2..HEARKEN_CHANNELS_EACH_MAX channels. Errors: -ENOMEM. */
int separator_create(uint32_t channels, bool automatic, struct separator **separator);
void separator_destroy(struct separator *separator);

/* Adds up to SEPARATOR_HOP samples of each channel, [channels][count]. The caller must then take
 * all hops. */
void separator_feed(struct separator *separator, float *const *channels, size_t count);

/* Ends the signal; the caller must then take all hops. */
void separator_finish(struct separator *separator);

/* Takes the next hop; false: there is none yet. */
bool separator_next(struct separator *separator, struct separator_hop *hop);

#endif
