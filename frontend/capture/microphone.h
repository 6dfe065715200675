// SPDX-License-Identifier: MIT
/*
 * One open PortAudio stream and the ring that its callback fills.
 *
 * PortAudio calls back in a thread of its own, the audio thread. What it does there: copies samples
 * into the ring, stores a few atomic numbers, and writes to an eventfd, which does not block. So
 * the reader sleeps in poll() and is woken at once, together with whoever cancels it; a semaphore
 * could not be polled, and a reader that looks every few milliseconds would be late and keep an
 * idle machine awake.
 *
 * Opening and closing need the sound system's lock; the rest is for the one reader.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_MICROPHONE_H
#define HEARKEN_FRONTEND_CAPTURE_MICROPHONE_H

#include <hearken/hearken.h>

struct microphone;

struct microphone_wish {
    uint32_t rate, channels, frames; /* 0: the device's own; see hearken_capture_options */
    float buffer_seconds;
    int wake; /* an eventfd that does not block, written to for each delivery; the caller's */
};

/* What the audio thread has counted. The numbers wrap around. */
struct microphone_counts {
    unsigned overruns;    /* deliveries of which something was lost, by us or by the system */
    unsigned lost_frames; /* for which the ring had no room */
};

/* Opens and starts the device of that PortAudio index. Errors: -EIO with what the system said,
 * -ENOMEM. */
int microphone_open(int index, const struct microphone_wish *wish, struct microphone **microphone,
                    struct hearken_error *error);

/* Stops it; waits for the audio thread. NULL is fine. */
void microphone_close(struct microphone *microphone);

uint32_t microphone_rate(const struct microphone *microphone);
uint32_t microphone_channels(const struct microphone *microphone);

/* Frames that wait to be read. */
size_t microphone_waiting(const struct microphone *microphone);

/* Reads up to `frames` frames, mixed into `mono` [frames]; returns how many. */
size_t microphone_read(struct microphone *microphone, float *mono, size_t frames);

struct microphone_counts microphone_counts(const struct microphone *microphone);

/* Why no more sound is to be expected, in words; NULL while all is well. */
const char *microphone_trouble(const struct microphone *microphone);

/* Whether the device has given any sound since it was opened. */
bool microphone_has_spoken(const struct microphone *microphone);

#endif
