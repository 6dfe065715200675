// SPDX-License-Identifier: MIT
/* CLOCK_MONOTONIC in the units that callers need. Any thread. */
#ifndef HEARKEN_INTERNAL_MONOTONIC_CLOCK_H
#define HEARKEN_INTERNAL_MONOTONIC_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline int64_t clock_milliseconds(void)
{
    return clock_nanoseconds() / 1000000;
}

static inline double clock_seconds(void)
{
    return (double)clock_nanoseconds() * 1e-9;
}

#endif
