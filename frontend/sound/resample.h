// SPDX-License-Identifier: MIT
/*
 * Mono float of any rate to HEARKEN_RATE, in a stream.
 *
 * How the input is cut into pieces does not change the output, to the bit; a whole recording of n
 * samples gives round(n * HEARKEN_RATE / rate). At HEARKEN_RATE samples pass through untouched.
 *
 *     reserve(&array, resampler_room(resampler, count));
 *     array.length += resampler_process(resampler, in, count, array.data + array.length);
 *
 * What comes out lags behind what went in: by 37 ms at 48 kHz, 40 at 44.1 kHz, 115 at 8 kHz.
 *
 * A resampler may be used by one thread at a time.
 */
#ifndef HEARKEN_FRONTEND_SOUND_RESAMPLE_H
#define HEARKEN_FRONTEND_SOUND_RESAMPLE_H

#include <hearken/hearken.h>

struct resampler;

/* Errors: -EINVAL for a rate out of HEARKEN_RATE_MIN..HEARKEN_RATE_MAX, -ENOMEM. */
int resampler_create(uint32_t rate, struct resampler **resampler);

void resampler_destroy(struct resampler *resampler);

/* The most samples that the next process of `count` samples can give, or flush (count 0). */
size_t resampler_room(const struct resampler *resampler, size_t count);

/*
 * Takes all of `in` [count] and writes what is due to `out` [resampler_room(count)], which must not
 * overlap it. Samples must be finite. Returns how many it wrote, or -ENOMEM.
 */
long resampler_process(struct resampler *resampler, const float *in, size_t count, float *out);

/*
 * No more input: writes the rest to `out` [resampler_room(0)], returns how many, or -ENOMEM. The
 * resampler is then as new.
 */
long resampler_flush(struct resampler *resampler, float *out);

#endif
