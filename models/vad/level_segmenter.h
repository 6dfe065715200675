// SPDX-License-Identifier: MIT
/*
 * Where to cut sound of any length into segments, and which of them hold no sound at all.
 *
 * Samples are mono at HEARKEN_RATE. All functions are pure: safe from any thread.
 */
#ifndef HEARKEN_MODELS_VAD_LEVEL_SEGMENTER_H
#define HEARKEN_MODELS_VAD_LEVEL_SEGMENTER_H

#include <hearken/hearken.h>

/*
 * The centre of the quietest 250 ms that lie in the window from <= i < to, measured without their
 * mean and in steps of 10 ms; of several equally quiet ones the last. The centre of a window that
 * is shorter. `samples` must reach to `to`.
 */
size_t level_segmenter_quietest(const float *samples, size_t from, size_t to);

/*
 * Whether there is nothing that a listener could call sound: no 20 ms above -70 dBFS (the root mean
 * square without the mean; a full-scale square wave is 0 dBFS). True for no samples.
 */
bool level_segmenter_is_silent(const float *samples, size_t count);

#endif
