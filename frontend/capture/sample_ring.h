// SPDX-License-Identifier: MIT
/*
 * A lock-free ring buffer of samples with a single writer and a single reader.
 *
 * Neither side waits, allocates or makes a system call. Each side alone stores its own position,
 * which only grows. A release store of a position pairs with the other side's acquire load and
 * publishes the samples.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_SAMPLE_RING_H
#define HEARKEN_FRONTEND_CAPTURE_SAMPLE_RING_H

#include <stddef.h>

struct sample_ring;

/* Room for at least `samples`, 1..RING_SAMPLES_MAX. The memory is touched, so that the writer meets
 * no page fault. Errors: -EINVAL, -ENOMEM. */
#define RING_SAMPLES_MAX ((size_t)1 << 28)

int sample_ring_create(size_t samples, struct sample_ring **ring);

/* No thread may be in any other function of the ring. Accepts NULL. */
void sample_ring_destroy(struct sample_ring *ring);

/* Free samples, at least. Writer's thread. */
size_t sample_ring_room(struct sample_ring *ring);

/* Appends as many of `samples` [count] as there is room for; returns how many. Writer's thread. */
size_t sample_ring_write(struct sample_ring *ring, const float *samples, size_t count);

/* Stored samples, at least. Reader's thread. */
size_t sample_ring_filled(struct sample_ring *ring);

/* Moves up to `count` samples into `samples`; returns how many. Reader's thread. */
size_t sample_ring_read(struct sample_ring *ring, float *samples, size_t count);

#endif
