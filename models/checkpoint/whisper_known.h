// SPDX-License-Identifier: MIT
/* Facts about Whisper models that are in OpenAI's code but not in the checkpoints. */
#ifndef HEARKEN_MODELS_CHECKPOINT_WHISPER_KNOWN_H
#define HEARKEN_MODELS_CHECKPOINT_WHISPER_KNOWN_H

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/whisper_checkpoint.h"

#include <hearken/hearken.h>
#include <stdint.h>

/*
 * Fills in the lists that the checkpoint leaves empty: alignment heads, for models of OpenAI's
 * sizes; suppressed tokens that are not speech, by their text. Errors: -ENOMEM.
 */
int known_fill_in(struct checkpoint *checkpoint, const struct whisper *whisper,
                  struct hearken_error *error);

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
