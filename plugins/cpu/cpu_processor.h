// SPDX-License-Identifier: MIT
/* Which instruction sets the processor has and the system lets programs use; how many cores. */
#ifndef HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H
#define HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H

#include <sched.h>
#include <stddef.h>

enum processor_set {
    PROCESSOR_AVX2 = 1, /* with FMA and F16C */
    PROCESSOR_AVXVNNI = 2,
    PROCESSOR_AVX512 = 4,    /* foundation, BW, VL and DQ */
    PROCESSOR_VNNI = 8,      /* AVX-512 VNNI */
    PROCESSOR_AMX = 16,      /* tiles of bytes */
    PROCESSOR_NEON = 64,     /* the vectors of 64-bit ARM */
    PROCESSOR_DOTPROD = 128, /* its dot product of bytes */
};

/* Those that are there, each with all that it builds on, less those that the mask withholds. */
unsigned processor_sets(const char *mask);

/* The first name of the mask that is none of avx2, avxvnni, avx512, vnni, amx, neon and dotprod:
 * where it starts, and its length. NULL: all are known, be it of another architecture. */
const char *processor_unknown_set(const char *mask, int *length);

/* What the system says of processors; tests put other systems in its place. */
struct cores_system {
    /* As sched_getaffinity(2) of this thread: -1 with EINVAL if the kernel has more processors. */
    int (*affinity)(size_t size, cpu_set_t *set);
    /* The lowest number among the processors that share a core with this one; itself if unknown. */
    int (*first_sibling)(int processor);
};

extern const struct cores_system cores_system;

/* Cores, of however many processors, that this thread may run on; 1 if the system does not say. */
unsigned cores_count(const struct cores_system *system);

#endif
