// SPDX-License-Identifier: MIT
/* The analysis window and the mel bands that Whisper was trained with. */
#ifndef HEARKEN_MODELS_CHECKPOINT_WHISPER_MEL_H
#define HEARKEN_MODELS_CHECKPOINT_WHISPER_MEL_H

#include <stdint.h>

#define SAMPLE_RATE    16000u
#define FFT            400u /* samples in a frame */
#define HOP            160u /* samples from one frame to the next */
#define FREQUENCY_BINS (FFT / 2 + 1)

/* Periodic Hann window: out[FFT]. */
void hann_window(float *out);

/*
 * out[mels][FREQUENCY_BINS]: triangles from 0 Hz to half the sample rate, evenly spaced on
 * Slaney's mel scale, each of unit area.
 */
void mel_filters(uint32_t mels, float *out);

#endif
