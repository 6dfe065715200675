// SPDX-License-Identifier: MIT
/*
 * Memory for packed weights, in huge pages where the system has them. A step of the speller reads
 * tens of megabytes once; in pages of 4 KB a quarter of that time goes into translating addresses.
 */
#ifndef HEARKEN_PLUGINS_CPU_WEIGHT_ARENA_H
#define HEARKEN_PLUGINS_CPU_WEIGHT_ARENA_H

#include <pthread.h>
#include <stddef.h>

struct weight_region;

struct weight_arena {
    pthread_mutex_t lock;
    struct weight_region *first; /* guarded by lock, as what is in them */
};

void weight_arena_init(struct weight_arena *arena);
/* All weights must have been released before. */
void weight_arena_finish(struct weight_arena *arena);

/* `size` ≥ 1 bytes, aligned to 64, in `*region`. NULL: out of memory. From any thread. */
void *weight_arena_allocate(struct weight_arena *arena, size_t size, struct weight_region **region);

/* Releases one piece of memory. Accepts NULL. A region is freed with its last piece. */
void weight_arena_release(struct weight_arena *arena, struct weight_region *region);

#endif
