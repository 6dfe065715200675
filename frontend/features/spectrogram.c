// SPDX-License-Identifier: MIT
#include "frontend/features/logmel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * The mel scale of M. Slaney's Auditory Toolbox (Interval technical report 1998-010): linear steps
 * of 200/3 Hz up to 1 kHz, then 27 logarithmic steps for each factor of 6.4.
 */
#define MEL_HERTZ    (200.0 / 3)
#define MEL_LOG_FROM 1000.0
#define MEL_LOG_STEP (log(6.4) / 27)

static double mel_of(double hertz)
{
    if (hertz < MEL_LOG_FROM)
        return hertz / MEL_HERTZ;
    return MEL_LOG_FROM / MEL_HERTZ + log(hertz / MEL_LOG_FROM) / MEL_LOG_STEP;
}

static double hertz_of(double mel)
{
    double from = MEL_LOG_FROM / MEL_HERTZ;
    return mel < from ? mel * MEL_HERTZ : MEL_LOG_FROM * exp((mel - from) * MEL_LOG_STEP);
}

/* Corners of the triangles: band b rises from corner b to b + 1 and falls to b + 2. */
static double corner(uint32_t bands, uint32_t at)
{
    return hertz_of(mel_of(HEARKEN_RATE / 2.0) * at / (bands + 1));
}

/* filters [bands, LOGMEL_BINS]: triangles of equal area, so that white noise has the same power in
 * every band. */
static void fill_filters(uint32_t bands, float *filters)
{
    for (uint32_t b = 0; b < bands; b++) {
        double low = corner(bands, b), centre = corner(bands, b + 1), high = corner(bands, b + 2);
        for (uint32_t k = 0; k < LOGMEL_BINS; k++) {
            double hertz = (double)k * HEARKEN_RATE / LOGMEL_FFT;
            double side = fmin((hertz - low) / (centre - low), (high - hertz) / (high - centre));
            filters[(size_t)b * LOGMEL_BINS + k] = (float)(fmax(side, 0) * 2 / (high - low));
        }
    }
}

/* A periodic Hann window. */
static void fill_window(float *window)
{
    for (uint32_t i = 0; i < LOGMEL_FFT; i++)
        window[i] = (float)(0.5 - 0.5 * cos(2 * acos(-1) * i / LOGMEL_FFT));
}

size_t hearken_spectrogram_frames(size_t count)
{
    return logmel_frames(count);
}

double hearken_spectrogram_frequency(uint32_t bands, uint32_t band)
{
    return corner(bands, band + 1);
}

int hearken_spectrogram(const float *samples, size_t count, uint32_t bands, float *out,
                        struct hearken_error *error)
{
    float window[LOGMEL_FFT];
    if (bands < 1 || bands > HEARKEN_SPECTROGRAM_BANDS_MAX)
        return hearken_fail(error, -EINVAL, "spectrogram of %u bands: expected 1..%u", bands,
                            HEARKEN_SPECTROGRAM_BANDS_MAX);
    struct logmel *logmel;
    float *filters = calloc((size_t)bands * LOGMEL_BINS, sizeof(*filters));
    if (!filters)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    fill_window(window);
    fill_filters(bands, filters);
    int result = logmel_create(bands, window, filters, &logmel);
    free(filters);
    if (result < 0)
        return hearken_fail(error, result, "%s", strerror(-result));
    logmel_compute(logmel, samples, count, 0, out);
    logmel_destroy(logmel);
    return 0;
}
