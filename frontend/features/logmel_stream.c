// SPDX-License-Identifier: MIT
#include "frontend/features/logmel_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Capacity of the sample buffer: the samples that the next frame needs, and new ones. */
#define LOGMEL_STREAM_HELD 4096u

/* Frame t needs the samples before 160 t + 200; frame 0, which is reflected, one more. */
#define LOGMEL_AHEAD (LOGMEL_FFT / 2)

struct logmel_stream {
    const struct logmel *logmel;
    float *rows;             /* [capacity, bands], of the frames from `forgotten` on */
    size_t forgotten;        /* frames */
    size_t stored, capacity; /* frames computed; rows allocated */
    size_t frames;           /* finished: `stored` and, after finish, silence */
    size_t first, count;     /* samples first <= i < count are held */
    bool finished;
    float held[LOGMEL_STREAM_HELD];
};

int logmel_stream_create(const struct logmel *logmel, struct logmel_stream **stream)
{
    struct logmel_stream *created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->logmel = logmel;
    *stream = created;
    return 0;
}

void logmel_stream_destroy(struct logmel_stream *stream)
{
    if (!stream)
        return;
    free(stream->rows);
    free(stream);
}

void logmel_stream_restart(struct logmel_stream *stream)
{
    stream->forgotten = stream->stored = stream->frames = 0;
    stream->first = stream->count = 0;
    stream->finished = false;
}

static int reserve(struct logmel_stream *stream, size_t rows)
{
    if (rows <= stream->capacity)
        return 0;
    size_t capacity = rows + rows / 2 + 64;
    size_t row = logmel_bands(stream->logmel) * sizeof(*stream->rows);
    if (capacity > SIZE_MAX / row)
        return -ENOMEM;
    float *grown = realloc(stream->rows, capacity * row);
    if (!grown)
        return -ENOMEM;
    stream->rows = grown;
    stream->capacity = capacity;
    return 0;
}

static float *row_at(const struct logmel_stream *stream, size_t frame)
{
    return stream->rows + (frame - stream->forgotten) * logmel_bands(stream->logmel);
}

/* The signal so far, if it ended at `total`. */
static struct logmel_signal signal_of(const struct logmel_stream *stream, size_t total)
{
    return (struct logmel_signal){stream->held, stream->first, stream->count,
                                  total < LOGMEL_FFT ? LOGMEL_FFT : total};
}

/* Computes the rows up to `frames` of the signal if it ended at `total`. */
static int store(struct logmel_stream *stream, size_t frames, size_t total)
{
    if (frames <= stream->stored)
        return 0;
    if (reserve(stream, frames - stream->forgotten) < 0)
        return -ENOMEM;
    struct logmel_signal signal = signal_of(stream, total);
    logmel_signal_frames(stream->logmel, &signal, stream->stored, frames,
                         row_at(stream, stream->stored));
    stream->stored = frames;
    return 0;
}

/* Drops the samples before the first that the next frame needs. */
static void drop(struct logmel_stream *stream)
{
    size_t needed = stream->stored * LOGMEL_HOP;
    needed = needed > LOGMEL_FFT / 2 ? needed - LOGMEL_FFT / 2 : 0;
    if (needed <= stream->first)
        return;
    size_t left = stream->count - needed;
    memmove(stream->held, stream->held + (needed - stream->first), left * sizeof(*stream->held));
    stream->first = needed;
}

/* Frames that need no sample beyond those received. */
static size_t settled(const struct logmel_stream *stream)
{
    if (stream->count <= LOGMEL_AHEAD)
        return 0;
    return (stream->count - LOGMEL_AHEAD) / LOGMEL_HOP + 1;
}

static int take(struct logmel_stream *stream, const float *samples, size_t count)
{
    memcpy(stream->held + (stream->count - stream->first), samples, count * sizeof(*samples));
    stream->count += count;
    /* The signal's end is unknown, but too far away to affect these frames. */
    int result = store(stream, settled(stream), stream->count + LOGMEL_FFT);
    if (result < 0)
        return result;
    stream->frames = stream->stored;
    drop(stream);
    return 0;
}

int logmel_stream_feed(struct logmel_stream *stream, const float *samples, size_t count)
{
    if (stream->finished)
        return -EINVAL;
    while (count > 0) {
        size_t piece = LOGMEL_STREAM_HELD - (stream->count - stream->first);
        if (piece > count)
            piece = count;
        int result = take(stream, samples, piece);
        if (result < 0)
            return result;
        samples += piece;
        count -= piece;
    }
    return 0;
}

int logmel_stream_finish(struct logmel_stream *stream, size_t padding)
{
    if (stream->finished)
        return -EINVAL;
    size_t total = stream->count + padding;
    size_t frames = logmel_frames(total);
    size_t silent = logmel_signal_silent_from(stream->count);
    int result = store(stream, frames < silent ? frames : silent, total);
    if (result < 0)
        return result;
    stream->frames = frames;
    stream->finished = true;
    return 0;
}

void logmel_stream_forget(struct logmel_stream *stream, size_t frame)
{
    size_t before = frame < stream->stored ? frame : stream->stored;
    if (before <= stream->forgotten)
        return;
    size_t left = stream->stored - before;
    size_t row = logmel_bands(stream->logmel) * sizeof(*stream->rows);
    memmove(stream->rows, row_at(stream, before), left * row);
    stream->forgotten = before;
}

size_t logmel_stream_samples(const struct logmel_stream *stream)
{
    return stream->count;
}

size_t logmel_stream_frames(const struct logmel_stream *stream)
{
    return stream->frames;
}

/* Copies what is stored of the rows and returns where the rest begins. */
static size_t copy_stored(const struct logmel_stream *stream, size_t from, size_t to, float *out)
{
    size_t end = to < stream->stored ? to : stream->stored;
    if (from >= end)
        return from;
    size_t bands = logmel_bands(stream->logmel);
    memcpy(out, row_at(stream, from), (end - from) * bands * sizeof(*out));
    return end;
}

void logmel_stream_read(const struct logmel_stream *stream, size_t from, size_t to, float *out)
{
    size_t silent = copy_stored(stream, from, to, out);
    if (silent < to)
        logmel_fill_silence(stream->logmel, to - silent,
                            out + (silent - from) * logmel_bands(stream->logmel));
}

void logmel_stream_peek(const struct logmel_stream *stream, size_t padding, size_t from, size_t to,
                        float *out)
{
    size_t rest = copy_stored(stream, from, to, out);
    if (rest >= to)
        return;
    struct logmel_signal signal = signal_of(stream, stream->count + padding);
    logmel_signal_frames(stream->logmel, &signal, rest, to,
                         out + (rest - from) * logmel_bands(stream->logmel));
}
