// SPDX-License-Identifier: MIT
#include "plugins/cpu/weight_arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 64,
    HUGE_PAGE = 2 << 20,
    /* Of address space: only what is used becomes accessible and counts as memory. Each region ends
     * within a huge page, of which a part is lost, so most models should need only one. */
    REGION_BYTES = 128 << 20,
};

struct weight_region {
    struct weight_region *next;
    unsigned char *data; /* aligned to HUGE_PAGE */
    size_t size, used;
    size_t accessible; /* bytes from the start, in huge pages */
    size_t pieces;     /* not released yet */
};

void weight_arena_init(struct weight_arena *arena)
{
    pthread_mutex_init(&arena->lock, NULL);
    arena->first = NULL;
}

void weight_arena_finish(struct weight_arena *arena)
{
    pthread_mutex_destroy(&arena->lock);
}

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* Address space of `size` bytes aligned to HUGE_PAGE, or NULL. */
static unsigned char *map_aligned(size_t size)
{
    unsigned char *mapped =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    const size_t before = round_up((uintptr_t)mapped, HUGE_PAGE) - (uintptr_t)mapped;
    if (before > 0)
        munmap(mapped, before);
    munmap(mapped + before + size, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
    madvise(mapped + before, size, MADV_HUGEPAGE);
#endif
    return mapped + before;
}

/* Lock held. */
static struct weight_region *add_region(struct weight_arena *arena, size_t size)
{
    struct weight_region *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    made->size = round_up(size > REGION_BYTES ? size : REGION_BYTES, HUGE_PAGE);
    made->data = map_aligned(made->size);
    if (!made->data) {
        free(made);
        return NULL;
    }
    made->next = arena->first;
    arena->first = made;
    return made;
}

/* Lock held. Takes `size` bytes of a region; NULL if there is no memory. */
static unsigned char *take(struct weight_region *region, size_t size)
{
    const size_t end = round_up(region->used + size, HUGE_PAGE);
    if (end > region->accessible) {
        if (mprotect(region->data + region->accessible, end - region->accessible,
                     PROT_READ | PROT_WRITE) < 0)
            return NULL;
        region->accessible = end;
    }
    unsigned char *data = region->data + region->used;
    region->used += size;
    region->pieces++;
    return data;
}

/* Lock held. Frees a region that nobody uses. */
static void drop_unused(struct weight_arena *arena, struct weight_region *region)
{
    if (region->pieces > 0)
        return;
    struct weight_region **at = &arena->first;
    while (*at != region)
        at = &(*at)->next;
    *at = region->next;
    munmap(region->data, region->size);
    free(region);
}

void *weight_arena_allocate(struct weight_arena *arena, size_t size, struct weight_region **region)
{
    unsigned char *data = NULL;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = round_up(size, ALIGNMENT);
    pthread_mutex_lock(&arena->lock);
    struct weight_region *from = arena->first;
    while (from && size > from->size - from->used)
        from = from->next;
    if (!from)
        from = add_region(arena, size);
    if (from && (data = take(from, size)))
        *region = from;
    else if (from)
        drop_unused(arena, from);
    pthread_mutex_unlock(&arena->lock);
    return data;
}

void weight_arena_release(struct weight_arena *arena, struct weight_region *region)
{
    if (!region)
        return;
    pthread_mutex_lock(&arena->lock);
    region->pieces--;
    drop_unused(arena, region);
    pthread_mutex_unlock(&arena->lock);
}
