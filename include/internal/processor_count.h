// SPDX-License-Identifier: MIT
/* How many processors the calling thread may run on. */
#ifndef HEARKEN_INTERNAL_PROCESSOR_COUNT_H
#define HEARKEN_INTERNAL_PROCESSOR_COUNT_H

#include <sched.h>

/* At least 1; CPU_SETSIZE where the kernel knows more than a cpu_set_t has room for. */
static inline unsigned processor_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : CPU_SETSIZE;
    return count > 0 ? (unsigned)count : 1;
}

#endif
