// SPDX-License-Identifier: MIT
#include "frontend/capture/sample_ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each position has a cache line of its own, so that a store to one does not evict the other from
 * the other core's cache. */
#define CACHE_LINE 64

struct sample_ring {
    alignas(CACHE_LINE) atomic_size_t written; /* samples since the start; wraps around */
    alignas(CACHE_LINE) atomic_size_t taken;
    alignas(CACHE_LINE) size_t mask; /* the length, a power of two, less one */
    float *samples;                  /* [mask + 1] */
};

_Static_assert(ATOMIC_LONG_LOCK_FREE == 2, "positions must not be guarded by a hidden lock");

int sample_ring_create(size_t samples, struct sample_ring **ring)
{
    if (samples < 1 || samples > RING_SAMPLES_MAX)
        return -EINVAL;
    size_t length = 1;
    while (length < samples)
        length *= 2;
    struct sample_ring *created = aligned_alloc(alignof(struct sample_ring), sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->samples = malloc(length * sizeof(*created->samples));
    if (!created->samples) {
        free(created);
        return -ENOMEM;
    }
    memset(created->samples, 0, length * sizeof(*created->samples));
    created->mask = length - 1;
    atomic_init(&created->written, 0);
    atomic_init(&created->taken, 0);
    *ring = created;
    return 0;
}

void sample_ring_destroy(struct sample_ring *ring)
{
    if (!ring)
        return;
    free(ring->samples);
    free(ring);
}

size_t sample_ring_room(struct sample_ring *ring)
{
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    return ring->mask + 1 - (written - taken);
}

size_t sample_ring_filled(struct sample_ring *ring)
{
    size_t written = atomic_load_explicit(&ring->written, memory_order_acquire);
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    return written - taken;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t sample_ring_write(struct sample_ring *ring, const float *samples, size_t count)
{
    count = smaller(count, sample_ring_room(ring));
    size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    size_t at = written & ring->mask;
    size_t before_end = smaller(count, ring->mask + 1 - at);
    if (count > 0) {
        memcpy(ring->samples + at, samples, before_end * sizeof(*samples));
        memcpy(ring->samples, samples + before_end, (count - before_end) * sizeof(*samples));
    }
    atomic_store_explicit(&ring->written, written + count, memory_order_release);
    return count;
}

size_t sample_ring_read(struct sample_ring *ring, float *samples, size_t count)
{
    count = smaller(count, sample_ring_filled(ring));
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    size_t at = taken & ring->mask;
    size_t before_end = smaller(count, ring->mask + 1 - at);
    if (count > 0) {
        memcpy(samples, ring->samples + at, before_end * sizeof(*samples));
        memcpy(samples + before_end, ring->samples, (count - before_end) * sizeof(*samples));
    }
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
    return count;
}
