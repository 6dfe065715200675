// SPDX-License-Identifier: MIT
/*
 * One open PortAudio stream and the ring that its callback fills.
 *
 * PortAudio runs the callback in a thread of its own, the audio thread. The callback copies samples
 * into the ring, stores a few atomic numbers and writes to a non-blocking eventfd. The reader waits
 * in poll() for that eventfd, which hearken_capture_cancel() writes to as well. (A semaphore cannot
 * be polled, and a timer would add latency and keep an idle machine awake.)
 *
 * Opening and closing need the sound system's lock; all else is for the reader's thread.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_MICROPHONE_H
#define HEARKEN_FRONTEND_CAPTURE_MICROPHONE_H

#include <hearken/hearken.h>

struct microphone;

struct microphone_options {
    uint32_t rate, channels, frames; /* 0: the device's own; see hearken_capture_options */
    float buffer_seconds;
    int wake; /* the caller's non-blocking eventfd, written to after each callback */
};

/* Counters of the audio thread. They wrap around. */
struct microphone_counts {
    unsigned overruns; /* callbacks that lost frames: the ring was full, or the system's buffer */
    unsigned lost_frames; /* dropped because the ring was full */
};

/* Opens and starts the device with that PortAudio index. Errors: -EIO with PortAudio's message,
 * -ENOMEM. */
int microphone_open(int index, const struct microphone_options *options,
                    struct microphone **microphone, struct hearken_error *error);

/* Stops the stream and waits for the audio thread. Accepts NULL. */
void microphone_close(struct microphone *microphone);

uint32_t microphone_rate(const struct microphone *microphone);
uint32_t microphone_channels(const struct microphone *microphone);

/* Frames in the ring. */
size_t microphone_waiting(const struct microphone *microphone);

/* Reads up to `frames` frames, downmixed to `mono` [frames]; returns how many. */
size_t microphone_read(struct microphone *microphone, float *mono, size_t frames);

struct microphone_counts microphone_counts(const struct microphone *microphone);

/* The reason why the stream delivers no more sound; NULL while it works. */
const char *microphone_failure(const struct microphone *microphone);

/* Whether the device has given any sound since it was opened. */
bool microphone_has_delivered(const struct microphone *microphone);

#endif
