// SPDX-License-Identifier: MIT
/* Memory for packed weights: pieces of regions, and what counts as memory of them. */
#include "plugins/cpu/weight_arena.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void add_weight_arena_tests(void);

#define PIECES 5u
#define MIB    ((size_t)1 << 20)

/* Bytes that the process may write, whether or not it has. */
static size_t writable_bytes(void)
{
    size_t pages[6] = {0};
    FILE *file = fopen("/proc/self/statm", "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    EXPECT_EQUAL(fscanf(file, "%zu %zu %zu %zu %zu %zu", &pages[0], &pages[1], &pages[2], &pages[3],
                        &pages[4], &pages[5]),
                 6);
    fclose(file);
    return pages[5] * (size_t)sysconf(_SC_PAGESIZE);
}

/* Each piece keeps its bytes, whatever is taken and released beside it. */
static void test_pieces(void)
{
    static const size_t sizes[PIECES] = {1, 100 * MIB, 3 * MIB + 7, 40 * MIB, 150 * MIB};
    struct weight_arena arena;
    struct weight_region *regions[PIECES];
    unsigned char *data[PIECES];
    weight_arena_init(&arena);
    for (size_t i = 0; i < PIECES; i++) {
        data[i] = weight_arena_allocate(&arena, sizes[i], &regions[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(data[i]);
        EXPECT_EQUAL((uintptr_t)data[i] % 64, 0);
        data[i][0] = data[i][sizes[i] - 1] = (unsigned char)(i + 1);
    }
    CU_ASSERT(regions[0] == regions[1] && regions[3] != regions[1] && regions[4] != regions[3]);
    weight_arena_release(&arena, regions[1]);
    weight_arena_release(&arena, regions[4]);
    EXPECT_EQUAL(data[0][0], 1);
    EXPECT_EQUAL(data[2][sizes[2] - 1], 3);
    EXPECT_EQUAL(data[3][sizes[3] - 1], 4);
    weight_arena_release(&arena, regions[0]);
    weight_arena_release(&arena, regions[2]);
    weight_arena_release(&arena, regions[3]);
    weight_arena_release(&arena, NULL);
    CU_ASSERT_PTR_NULL(arena.first);
    weight_arena_finish(&arena);
}

/* A small model does not count as much memory as a region has room for. */
static void test_counts_what_is_used(void)
{
    struct weight_arena arena;
    struct weight_region *region, *other;
    weight_arena_init(&arena);
    const size_t before = writable_bytes();
    CU_ASSERT_PTR_NOT_NULL_FATAL(weight_arena_allocate(&arena, 3 * MIB, &region));
    CU_ASSERT_PTR_NOT_NULL_FATAL(weight_arena_allocate(&arena, 3 * MIB, &other));
    CU_ASSERT(region == other);
    CU_ASSERT(writable_bytes() - before <= 8 * MIB);
    weight_arena_release(&arena, region);
    weight_arena_release(&arena, other);
    weight_arena_finish(&arena);
}

static void test_too_much(void)
{
    struct weight_arena arena;
    struct weight_region *region;
    weight_arena_init(&arena);
    CU_ASSERT_PTR_NULL(weight_arena_allocate(&arena, SIZE_MAX, &region));
    CU_ASSERT_PTR_NULL(weight_arena_allocate(&arena, SIZE_MAX / 4, &region));
    CU_ASSERT_PTR_NULL(arena.first);
    weight_arena_finish(&arena);
}

void add_weight_arena_tests(void)
{
    CU_pSuite suite = CU_add_suite("weight arena", NULL, NULL);
    CU_ADD_TEST(suite, test_pieces);
    CU_ADD_TEST(suite, test_counts_what_is_used);
    CU_ADD_TEST(suite, test_too_much);
}
