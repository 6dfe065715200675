// SPDX-License-Identifier: MIT
/*
 * Log-mel features: a row of `bands` numbers every 10 ms of 16 kHz mono sound.
 *
 * Frame t is centred on sample 160 t: 400 samples times a window, their power spectrum times the
 * mel filters, log10 of at least 1e-10. The signal is extended by reflection at both ends (the edge
 * sample is not repeated) and, if it is shorter than 400 samples, by zeros to 400 first. There are
 * samples / 160 frames, rounded down.
 *
 * Each frame has the same bits however the signal is computed: whole or streamed in pieces of any
 * length, with its padding in memory or implied.
 */
#ifndef HEARKEN_FRONTEND_FEATURES_LOGMEL_H
#define HEARKEN_FRONTEND_FEATURES_LOGMEL_H

#include <hearken/hearken.h>

#define LOGMEL_FFT  400u                  /* samples of a frame, and of the shortest signal */
#define LOGMEL_HOP  160u                  /* samples from frame to frame */
#define LOGMEL_BINS (LOGMEL_FFT / 2 + 1u) /* of the power spectrum */

/* The value of every band of silence: log10(1e-10). */
#define LOGMEL_SILENCE -10.0f

/* The window, the filters and the transform's plan. Immutable: any number of threads and streams
 * may share one. */
struct logmel;

/*
 * Copies what it needs of `window` [LOGMEL_FFT] and `filters` [bands, LOGMEL_BINS]. Errors: -EINVAL
 * if bands is 0 or above 1024, or a number is not finite; -ENOMEM.
 */
int logmel_create(uint32_t bands, const float *window, const float *filters,
                  struct logmel **logmel);

/* All its streams must have been destroyed before. */
void logmel_destroy(struct logmel *logmel);

uint32_t logmel_bands(const struct logmel *logmel);

/* Frames of a signal of so many samples: max(samples, LOGMEL_FFT) / LOGMEL_HOP. */
size_t logmel_frames(size_t samples);

/*
 * Computes `out` [logmel_frames(count + padding), bands] of a whole signal: `samples` [count],
 * followed by `padding` zeros that are not in memory. Frames within the padding cost no transform.
 */
void logmel_compute(const struct logmel *logmel, const float *samples, size_t count, size_t padding,
                    float *out);

/* ---- Stream ---- */

/* A signal that arrives in pieces. Keeps the finished frames (32 kB a second at 80 bands) until
 * they are forgotten, and only those samples that later frames need. One thread at a time. */
struct logmel_stream;

/* Errors: -ENOMEM. */
int logmel_stream_create(const struct logmel *logmel, struct logmel_stream **stream);

void logmel_stream_destroy(struct logmel_stream *stream);

/* Empties the stream for a new signal; keeps its memory. */
void logmel_stream_restart(struct logmel_stream *stream);

/* Errors: -EINVAL after finish; -ENOMEM, after which only restart and destroy may be called. */
int logmel_stream_feed(struct logmel_stream *stream, const float *samples, size_t count);

/* Ends the signal, with `padding` zeros after the samples fed. Errors as for feed. */
int logmel_stream_finish(struct logmel_stream *stream, size_t padding);

/* Samples fed, without padding. */
size_t logmel_stream_samples(const struct logmel_stream *stream);

/* Finished frames, which no later sample can change; after finish: all. */
size_t logmel_stream_frames(const struct logmel_stream *stream);

/* Frees the frames before `frame`, which must not be read or peeked at any more. */
void logmel_stream_forget(struct logmel_stream *stream, size_t frame);

/* Copies the frames from <= t < to <= logmel_stream_frames to `out` [to - from, bands]. */
void logmel_stream_read(const struct logmel_stream *stream, size_t from, size_t to, float *out);

/*
 * Computes the frames from <= t < to <= logmel_frames(samples + padding) as if the stream were
 * finished now with `padding` zeros, without changing the stream. Not after finish.
 */
void logmel_stream_peek(const struct logmel_stream *stream, size_t padding, size_t from, size_t to,
                        float *out);

/* ---- Scaling, in place, to what a network was trained on ---- */

/* (max(x, floor) + shift) / scale */
void logmel_scale_fixed(float *logmel, size_t count, float floor, float shift, float scale);

/* (max(x, max(all) - below) + shift) / scale */
void logmel_scale_below_maximum(float *logmel, size_t count, float below, float shift, float scale);

#endif
