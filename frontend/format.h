// SPDX-License-Identifier: MIT
/*
 * Interleaved PCM of any type and channel count to mono float.
 *
 * All functions are pure: safe from any thread.
 */
#ifndef HEARKEN_FRONTEND_FORMAT_H
#define HEARKEN_FRONTEND_FORMAT_H

#include <hearken/hearken.h>

/*
 * Float samples beyond this are clamped: the full scale of the widest integer PCM, which some
 * programs write as float without scaling it. It keeps the power of any frame within a float.
 */
#define AUDIO_SAMPLE_LIMIT 0x1p31f

/* 0 if rate, channels and type are all in range, else -EINVAL with the one that is not. */
int audio_format_check(const struct hearken_audio_format *format, struct hearken_error *error);

/*
 * Mixes `frames` frames (little endian, of any alignment) into `mono` [frames]: the mean over the
 * channels. Floats that are not finite count as 0. Returns 0, or -EINVAL if the format is not
 * valid.
 */
int audio_to_mono(const struct hearken_audio_format *format, const void *samples, size_t frames,
                  float *mono);

/* The same for floats of this machine, [frames, channels] -> [frames]; may work in place. */
void audio_mix(const float *samples, size_t frames, uint32_t channels, float *mono);

#endif
