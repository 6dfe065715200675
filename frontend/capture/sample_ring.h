// SPDX-License-Identifier: MIT
/*
 * A queue of samples from one thread to another, without locks.
 *
 * One thread writes, one reads; neither ever waits, allocates or makes a system call. The two
 * positions only grow and are stored by their own side alone; a release store of one, met by an
 * acquire load on the other side, hands the samples over.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_SAMPLE_RING_H
#define HEARKEN_FRONTEND_CAPTURE_SAMPLE_RING_H

#include <stddef.h>

struct sample_ring;

/* Room for at least `samples`, 1..RING_SAMPLES_MAX. The memory is touched, so that the writer meets
 * no page fault. Errors: -EINVAL, -ENOMEM. */
#define RING_SAMPLES_MAX ((size_t)1 << 28)

int sample_ring_create(size_t samples, struct sample_ring **ring);

/* With no thread in any other function. NULL is fine. */
void sample_ring_destroy(struct sample_ring *ring);

/* Samples that sample_ring_write takes now, or more. For the writer. */
size_t sample_ring_room(struct sample_ring *ring);

/* Takes the first of `samples` [count] for which there is room; returns how many. For the
 * writer. */
size_t sample_ring_write(struct sample_ring *ring, const float *samples, size_t count);

/* Samples that sample_ring_read gives now, or more. For the reader. */
size_t sample_ring_filled(struct sample_ring *ring);

/* Moves up to `count` samples into `samples`; returns how many. For the reader. */
size_t sample_ring_read(struct sample_ring *ring, float *samples, size_t count);

#endif
