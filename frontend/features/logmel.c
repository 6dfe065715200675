// SPDX-License-Identifier: MIT
#include "frontend/features/logmel.h"

#include <errno.h>
#include <fftw3.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Bounds what a model file can request, far above any real network. */
#define LOGMEL_BANDS_MAX 1024u

/* Power is clamped to this before log10. */
#define LOGMEL_POWER_MIN 1e-10

/* A frame starts this many samples before its centre, and ends as many behind it. */
#define LOGMEL_HALF (LOGMEL_FFT / 2)

/* Capacity of a stream's sample buffer: the samples that the next frame needs, and new ones. */
#define LOGMEL_STREAM_HELD 4096u

/* The bins in which a mel filter is not zero, and the offset of their weights. */
struct mel_band {
    uint32_t start, length;
    size_t weights;
};

struct logmel {
    uint32_t bands;
    fftw_plan plan;        /* real [LOGMEL_FFT] to complex [LOGMEL_BINS], not in place */
    struct mel_band *band; /* [bands] */
    float *weights;        /* the filters' weights other than zero, concatenated */
    float window[LOGMEL_FFT];
};

/* `total` >= LOGMEL_FFT samples: `count` received ones, of which `samples` holds those from `first`
 * on, followed by zeros. */
struct signal {
    const float *samples; /* [count - first] */
    size_t first, count, total;
};

/* A transform's buffers, aligned so that FFTW can use vector instructions. In double precision: the
 * error of a float transform is relative to the loudest bin, so weak bins beside it would be off by
 * 1e-5 of a feature. */
struct transform {
    _Alignas(64) double samples[LOGMEL_FFT];
    _Alignas(64) fftw_complex spectrum[LOGMEL_BINS];
};

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

/* FFTW's planner is not thread-safe, executing a plan is
 * (http://fftw.org/fftw3_doc/Thread-safety.html). */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

/* FFTW_ESTIMATE does not measure, so every run of a program uses the same plan. */
static fftw_plan make_plan(void)
{
    struct transform transform;
    pthread_mutex_lock(&planner);
    fftw_plan plan =
        fftw_plan_dft_r2c_1d((int)LOGMEL_FFT, transform.samples, transform.spectrum, FFTW_ESTIMATE);
    pthread_mutex_unlock(&planner);
    return plan;
}

static void destroy_plan(fftw_plan plan)
{
    pthread_mutex_lock(&planner);
    fftw_destroy_plan(plan);
    pthread_mutex_unlock(&planner);
}

static struct mel_band extent(const float *filter)
{
    uint32_t end = LOGMEL_BINS, start = 0;
    while (end > 0 && filter[end - 1] == 0)
        end--;
    while (start < end && filter[start] == 0)
        start++;
    return (struct mel_band){.start = start, .length = end - start};
}

static int set_filters(struct logmel *logmel, const float *filters)
{
    logmel->band = calloc(logmel->bands, sizeof(*logmel->band));
    if (!logmel->band)
        return -ENOMEM;
    size_t total = 0;
    for (uint32_t b = 0; b < logmel->bands; b++) {
        logmel->band[b] = extent(filters + (size_t)b * LOGMEL_BINS);
        logmel->band[b].weights = total;
        total += logmel->band[b].length;
    }
    logmel->weights = calloc(total + 1, sizeof(*logmel->weights));
    if (!logmel->weights)
        return -ENOMEM;
    for (uint32_t b = 0; b < logmel->bands; b++) {
        const struct mel_band *band = &logmel->band[b];
        memcpy(logmel->weights + band->weights, filters + (size_t)b * LOGMEL_BINS + band->start,
               band->length * sizeof(*filters));
    }
    return 0;
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

int logmel_create(uint32_t bands, const float *window, const float *filters, struct logmel **logmel)
{
    if (bands < 1 || bands > LOGMEL_BANDS_MAX || !all_finite(window, LOGMEL_FFT) ||
        !all_finite(filters, (size_t)bands * LOGMEL_BINS))
        return -EINVAL;
    struct logmel *created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->bands = bands;
    memcpy(created->window, window, sizeof(created->window));
    int result = set_filters(created, filters);
    if (result < 0)
        goto fail;
    created->plan = make_plan();
    if (!created->plan) {
        result = -ENOMEM;
        goto fail;
    }
    *logmel = created;
    return 0;

fail:
    logmel_destroy(created);
    return result;
}

void logmel_destroy(struct logmel *logmel)
{
    if (!logmel)
        return;
    if (logmel->plan)
        destroy_plan(logmel->plan);
    free(logmel->weights);
    free(logmel->band);
    free(logmel);
}

uint32_t logmel_bands(const struct logmel *logmel)
{
    return logmel->bands;
}

size_t logmel_frames(size_t samples)
{
    return (samples < LOGMEL_FFT ? LOGMEL_FFT : samples) / LOGMEL_HOP;
}

/* The first frame from which on no frame contains any of `count` samples. */
static size_t silent_from(size_t count)
{
    return (count + LOGMEL_HALF + LOGMEL_HOP - 1) / LOGMEL_HOP;
}

/* `frames` rows of silence. */
static void fill_silence(const struct logmel *logmel, size_t frames, float *out)
{
    for (size_t i = 0; i < frames * logmel->bands; i++)
        out[i] = LOGMEL_SILENCE;
}

/* Sample `at` of the signal extended by reflection. */
static float sample_at(const struct signal *signal, ptrdiff_t at)
{
    if (at < 0)
        at = -at;
    if ((size_t)at >= signal->total)
        at = (ptrdiff_t)(2 * (signal->total - 1)) - at;
    return (size_t)at < signal->count ? signal->samples[(size_t)at - signal->first] : 0;
}

static void gather(const struct signal *signal, size_t frame, double *samples)
{
    ptrdiff_t start = (ptrdiff_t)(frame * LOGMEL_HOP) - (ptrdiff_t)LOGMEL_HALF;
    if (start >= 0 && (size_t)start + LOGMEL_FFT <= signal->count) {
        const float *held = signal->samples + ((size_t)start - signal->first);
        for (uint32_t i = 0; i < LOGMEL_FFT; i++)
            samples[i] = held[i];
        return;
    }
    for (uint32_t i = 0; i < LOGMEL_FFT; i++)
        samples[i] = sample_at(signal, start + (ptrdiff_t)i);
}

/* Written so that NaN counts as no power. */
static float log_power(double power)
{
    if (!(power > LOGMEL_POWER_MIN))
        return LOGMEL_SILENCE;
    return power < FLT_MAX ? log10f((float)power) : log10f(FLT_MAX);
}

/* The features `out` [bands] of the frame whose samples are in `transform`. */
static void compute_frame(const struct logmel *logmel, struct transform *transform, float *out)
{
    for (uint32_t i = 0; i < LOGMEL_FFT; i++)
        transform->samples[i] *= logmel->window[i];
    fftw_execute_dft_r2c(logmel->plan, transform->samples, transform->spectrum);
    double power[LOGMEL_BINS];
    for (uint32_t k = 0; k < LOGMEL_BINS; k++) {
        const double *bin = transform->spectrum[k];
        power[k] = bin[0] * bin[0] + bin[1] * bin[1];
    }
    for (uint32_t b = 0; b < logmel->bands; b++) {
        const struct mel_band *band = &logmel->band[b];
        const float *weights = logmel->weights + band->weights;
        double sum = 0;
        for (uint32_t k = 0; k < band->length; k++)
            sum += weights[k] * power[band->start + k];
        out[b] = log_power(sum);
    }
}

/* Computes the frames from <= t < to <= total / LOGMEL_HOP into `out` [to - from, bands]. They must
 * contain no sample before `first`. */
static void compute_frames(const struct logmel *logmel, const struct signal *signal, size_t from,
                           size_t to, float *out)
{
    size_t silent = silent_from(signal->count);
    struct transform transform;
    for (; from < to && from < silent; from++, out += logmel->bands) {
        gather(signal, from, transform.samples);
        compute_frame(logmel, &transform, out);
    }
    if (from < to)
        fill_silence(logmel, to - from, out);
}

void logmel_compute(const struct logmel *logmel, const float *samples, size_t count, size_t padding,
                    float *out)
{
    size_t total = count + padding;
    struct signal signal = {samples, 0, count, total < LOGMEL_FFT ? LOGMEL_FFT : total};
    compute_frames(logmel, &signal, 0, logmel_frames(total), out);
}

/* ---- Stream ---- */

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
    size_t row = stream->logmel->bands * sizeof(*stream->rows);
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
    return stream->rows + (frame - stream->forgotten) * stream->logmel->bands;
}

/* The signal so far, if it ended at `total`. */
static struct signal signal_of(const struct logmel_stream *stream, size_t total)
{
    return (struct signal){stream->held, stream->first, stream->count,
                           total < LOGMEL_FFT ? LOGMEL_FFT : total};
}

/* Computes the rows up to `frames` of the signal if it ended at `total`. */
static int store(struct logmel_stream *stream, size_t frames, size_t total)
{
    if (frames <= stream->stored)
        return 0;
    if (reserve(stream, frames - stream->forgotten) < 0)
        return -ENOMEM;
    struct signal signal = signal_of(stream, total);
    compute_frames(stream->logmel, &signal, stream->stored, frames, row_at(stream, stream->stored));
    stream->stored = frames;
    return 0;
}

/* Drops the samples before the first that the next frame needs. */
static void drop(struct logmel_stream *stream)
{
    size_t needed = stream->stored * LOGMEL_HOP;
    needed = needed > LOGMEL_HALF ? needed - LOGMEL_HALF : 0;
    if (needed <= stream->first)
        return;
    size_t left = stream->count - needed;
    memmove(stream->held, stream->held + (needed - stream->first), left * sizeof(*stream->held));
    stream->first = needed;
}

/* Frames that need no sample beyond those received: frame t needs those before 160 t + 200, and
 * frame 0, which is reflected, one more. */
static size_t settled(const struct logmel_stream *stream)
{
    if (stream->count <= LOGMEL_HALF)
        return 0;
    return (stream->count - LOGMEL_HALF) / LOGMEL_HOP + 1;
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
    size_t silent = silent_from(stream->count);
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
    size_t row = stream->logmel->bands * sizeof(*stream->rows);
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
    size_t bands = stream->logmel->bands;
    memcpy(out, row_at(stream, from), (end - from) * bands * sizeof(*out));
    return end;
}

void logmel_stream_read(const struct logmel_stream *stream, size_t from, size_t to, float *out)
{
    size_t silent = copy_stored(stream, from, to, out);
    if (silent < to)
        fill_silence(stream->logmel, to - silent, out + (silent - from) * stream->logmel->bands);
}

void logmel_stream_peek(const struct logmel_stream *stream, size_t padding, size_t from, size_t to,
                        float *out)
{
    size_t rest = copy_stored(stream, from, to, out);
    if (rest >= to)
        return;
    struct signal signal = signal_of(stream, stream->count + padding);
    compute_frames(stream->logmel, &signal, rest, to, out + (rest - from) * stream->logmel->bands);
}

/* ---- Scaling ---- */

void logmel_scale_fixed(float *logmel, size_t count, float floor, float shift, float scale)
{
    for (size_t i = 0; i < count; i++)
        logmel[i] = ((logmel[i] > floor ? logmel[i] : floor) + shift) / scale;
}

void logmel_scale_below_maximum(float *logmel, size_t count, float below, float shift, float scale)
{
    float maximum = -INFINITY;
    for (size_t i = 0; i < count; i++)
        if (logmel[i] > maximum)
            maximum = logmel[i];
    logmel_scale_fixed(logmel, count, maximum - below, shift, scale);
}
