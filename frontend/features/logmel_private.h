// SPDX-License-Identifier: MIT
/*
 * What logmel.c and logmel_stream.c share: frames of a signal of which only a part is held.
 */
#ifndef HEARKEN_FRONTEND_FEATURES_LOGMEL_PRIVATE_H
#define HEARKEN_FRONTEND_FEATURES_LOGMEL_PRIVATE_H

#include "frontend/features/logmel.h"

/* `total` >= LOGMEL_FFT samples: `count` received ones, of which `samples` holds those from `first`
 * on, followed by zeros. */
struct logmel_signal {
    const float *samples; /* [count - first] */
    size_t first, count, total;
};

/* Computes the frames from <= t < to <= total / LOGMEL_HOP into `out` [to - from, bands]. They must
 * contain no sample before `first`. */
void logmel_signal_frames(const struct logmel *logmel, const struct logmel_signal *signal,
                          size_t from, size_t to, float *out);

/* The first frame from which on no frame contains any of `count` samples. */
size_t logmel_signal_silent_from(size_t count);

/* `frames` rows of silence. */
void logmel_fill_silence(const struct logmel *logmel, size_t frames, float *out);

#endif
