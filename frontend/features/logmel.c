// SPDX-License-Identifier: MIT
#include "frontend/features/logmel_private.h"

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

/* A frame starts this many samples before its centre. */
#define LOGMEL_HALF (LOGMEL_FFT / 2)

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

/* A transform's buffers, aligned so that FFTW can use vector instructions. In double precision: the
 * error of a float transform is relative to the loudest bin, so weak bins beside it would be off by
 * 1e-5 of a feature. */
struct transform {
    _Alignas(64) double samples[LOGMEL_FFT];
    _Alignas(64) fftw_complex spectrum[LOGMEL_BINS];
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

size_t logmel_signal_silent_from(size_t count)
{
    return (count + LOGMEL_HALF + LOGMEL_HOP - 1) / LOGMEL_HOP;
}

void logmel_fill_silence(const struct logmel *logmel, size_t frames, float *out)
{
    for (size_t i = 0; i < frames * logmel->bands; i++)
        out[i] = LOGMEL_SILENCE;
}

/* Sample `at` of the signal extended by reflection. */
static float sample_at(const struct logmel_signal *signal, ptrdiff_t at)
{
    if (at < 0)
        at = -at;
    if ((size_t)at >= signal->total)
        at = (ptrdiff_t)(2 * (signal->total - 1)) - at;
    return (size_t)at < signal->count ? signal->samples[(size_t)at - signal->first] : 0;
}

static void gather(const struct logmel_signal *signal, size_t frame, double *samples)
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

void logmel_signal_frames(const struct logmel *logmel, const struct logmel_signal *signal,
                          size_t from, size_t to, float *out)
{
    size_t silent = logmel_signal_silent_from(signal->count);
    struct transform transform;
    for (; from < to && from < silent; from++, out += logmel->bands) {
        gather(signal, from, transform.samples);
        compute_frame(logmel, &transform, out);
    }
    if (from < to)
        logmel_fill_silence(logmel, to - from, out);
}

void logmel_compute(const struct logmel *logmel, const float *samples, size_t count, size_t padding,
                    float *out)
{
    size_t total = count + padding;
    struct logmel_signal signal = {samples, 0, count, total < LOGMEL_FFT ? LOGMEL_FFT : total};
    logmel_signal_frames(logmel, &signal, 0, logmel_frames(total), out);
}

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
