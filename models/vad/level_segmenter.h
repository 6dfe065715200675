// SPDX-License-Identifier: MIT
/*
 * Segmentation by level, without a voice activity network: quiet places to cut at, and silence.
 * Samples are mono at HEARKEN_RATE. All functions are pure and safe from any thread.
 */
#ifndef HEARKEN_MODELS_VAD_LEVEL_SEGMENTER_H
#define HEARKEN_MODELS_VAD_LEVEL_SEGMENTER_H

#include <hearken/hearken.h>

/*
 * Centre of the quietest 250 ms in the window from <= i < to, without its mean, in steps of 10 ms;
 * among equals, the last. A window shorter than that gives its own centre. `samples` must reach to
 * `to`.
 */
size_t level_segmenter_quietest(const float *samples, size_t from, size_t to);

/*
 * Whether the sound is silence: no 20 ms above -70 dBFS (root mean square without the mean; a
 * full-scale square wave is 0 dBFS). True for no samples.
 */
bool level_segmenter_is_silent(const float *samples, size_t count);

#endif
