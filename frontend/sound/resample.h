// SPDX-License-Identifier: MIT
/*
 * Mono float of any rate to HEARKEN_RATE, in a stream.
 *
 * The output has the same bits however the input is split into calls; n samples give
 * round(n * HEARKEN_RATE / rate) in total. At HEARKEN_RATE samples pass through unchanged.
 *
 *     reserve(&array, resampler_room(resampler, count));
 *     array.length += resampler_process(resampler, in, count, array.data + array.length);
 *
 * Latency: 37 ms at 48 kHz, 40 ms at 44.1 kHz, 115 ms at 8 kHz.
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

/* The most samples that resampler_process() of `count` samples, or with 0 resampler_flush(), can
 * return. */
size_t resampler_room(const struct resampler *resampler, size_t count);

/*
 * Consumes all of `in` [count] and writes the available output to `out` [resampler_room(count)],
 * which must not overlap `in`. Samples must be finite. Returns how many it wrote, or -ENOMEM.
 */
long resampler_process(struct resampler *resampler, const float *in, size_t count, float *out);

/*
 * Ends the input: writes the rest to `out` [resampler_room(0)] and resets the resampler. Returns
 * how many samples it wrote, or -ENOMEM.
 */
long resampler_flush(struct resampler *resampler, float *out);

#endif
