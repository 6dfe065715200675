// SPDX-License-Identifier: MIT
#include "models/checkpoint/whisper_mel.h"

#include <math.h>

/*
 * Slaney's scale (Auditory Toolbox, Technical Report 1998-010): linear below 1 kHz, 15 mels up to
 * there; above, 27 steps multiply the frequency by 6.4.
 */
#define LINEAR_STEP   (200.0 / 3) /* Hz in a mel below the break */
#define BREAK_HERTZ   1000.0
#define BREAK_MEL     15.0
#define LOGARITHMIC   27.0
#define STEP_QUOTIENT 6.4

static double mel_from_hertz(double hertz)
{
    if (hertz < BREAK_HERTZ)
        return hertz / LINEAR_STEP;
    return BREAK_MEL + log(hertz / BREAK_HERTZ) * LOGARITHMIC / log(STEP_QUOTIENT);
}

static double hertz_from_mel(double mel)
{
    if (mel < BREAK_MEL)
        return mel * LINEAR_STEP;
    return BREAK_HERTZ * exp(log(STEP_QUOTIENT) / LOGARITHMIC * (mel - BREAK_MEL));
}

void hann_window(float *out)
{
    for (uint32_t i = 0; i < FFT; i++)
        out[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / FFT));
}

void mel_filters(uint32_t mels, float *out)
{
    double highest = mel_from_hertz(SAMPLE_RATE / 2.0);
    for (uint32_t m = 0; m < mels; m++) {
        double lower = hertz_from_mel(highest * m / (mels + 1));
        double centre = hertz_from_mel(highest * (m + 1) / (mels + 1));
        double upper = hertz_from_mel(highest * (m + 2) / (mels + 1));
        for (uint32_t bin = 0; bin < FREQUENCY_BINS; bin++) {
            double hertz = (double)bin * SAMPLE_RATE / FFT;
            double rising = (hertz - lower) / (centre - lower);
            double falling = (upper - hertz) / (upper - centre);
            double height = fmin(rising, falling);
            out[m * FREQUENCY_BINS + bin] = height > 0 ? (float)(height * 2 / (upper - lower)) : 0;
        }
    }
}
