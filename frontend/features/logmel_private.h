// SPDX-License-Identifier: MIT
/*
 * What logmel.c and logmel_stream.c share: frames of a signal of which only a part is held.
 */
#ifndef HEARKEN_FRONTEND_FEATURES_LOGMEL_PRIVATE_H
#define HEARKEN_FRONTEND_FEATURES_LOGMEL_PRIVATE_H

#include "frontend/features/logmel.h"

/* `total` >= LOGMEL_FFT samples: those that were heard, 0 <= i < count, of which `samples` holds
 * those from `first` on, and then zeros. */
struct logmel_signal {
    const float *samples; /* [count - first] */
    size_t first, count, total;
};

/* Frames from <= t < to <= total / LOGMEL_HOP to `out` [to - from, bands]. No sample before `first`
 * may be in them. */
void logmel_signal_frames(const struct logmel *logmel, const struct logmel_signal *signal,
                          size_t from, size_t to, float *out);

/* The first frame, and all behind it, that has none of `count` samples in it. */
size_t logmel_signal_silent_from(size_t count);

/* `frames` rows of silence. */
void logmel_fill_silence(const struct logmel *logmel, size_t frames, float *out);

#endif
