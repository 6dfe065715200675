// SPDX-License-Identifier: MIT
/* Counting cores, on systems of more processors than this one. */
#include "plugins/cpu/cpu_processor.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <string.h>

void add_cpu_cores_tests(void);

/* A kernel for 5,000 processors, as Linux has it: a smaller set is refused. */
enum { PROCESSORS = 5000 };

static int large_affinity(size_t size, cpu_set_t *set)
{
    if (size * 8 < PROCESSORS) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (int processor = 0; processor < PROCESSORS; processor++)
        CPU_SET_S(processor, size, set);
    return 0;
}

static int last_two_affinity(size_t size, cpu_set_t *set)
{
    const int result = large_affinity(size, set);

    if (result == 0) {
        memset(set, 0, size);
        CPU_SET_S(PROCESSORS - 2, size, set);
        CPU_SET_S(PROCESSORS - 1, size, set);
    }
    return result;
}

static int no_affinity(size_t size, cpu_set_t *set)
{
    (void)size, (void)set;
    errno = EPERM;
    return -1;
}

static int endless_affinity(size_t size, cpu_set_t *set)
{
    (void)size, (void)set;
    errno = EINVAL;
    return -1;
}

static int alone(int processor)
{
    return processor;
}

static int in_pairs(int processor)
{
    return processor / 2 * 2;
}

static int astray(int processor)
{
    return processor % 2 ? -1 : 1 << 30;
}

static unsigned count(int (*affinity)(size_t, cpu_set_t *), int (*first_sibling)(int))
{
    return cores_count(&(struct cores_system){affinity, first_sibling});
}

static void test_many(void)
{
    EXPECT_EQUAL(count(large_affinity, alone), PROCESSORS);
    EXPECT_EQUAL(count(large_affinity, in_pairs), PROCESSORS / 2);
    EXPECT_EQUAL(count(large_affinity, astray), PROCESSORS);
    EXPECT_EQUAL(count(last_two_affinity, alone), 2);
    EXPECT_EQUAL(count(last_two_affinity, in_pairs), 1);
}

static void test_unknown(void)
{
    EXPECT_EQUAL(count(no_affinity, alone), 1);
    EXPECT_EQUAL(count(endless_affinity, alone), 1);
}

static void test_here(void)
{
    cpu_set_t set;
    const unsigned cores = cores_count(&cores_system);

    CU_ASSERT(cores >= 1);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        CU_ASSERT(cores <= (unsigned)CPU_COUNT(&set));
}

void add_cpu_cores_tests(void)
{
    CU_pSuite suite = CU_add_suite("cores", NULL, NULL);

    CU_ADD_TEST(suite, test_many);
    CU_ADD_TEST(suite, test_unknown);
    CU_ADD_TEST(suite, test_here);
}
