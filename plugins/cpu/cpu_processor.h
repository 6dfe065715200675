// SPDX-License-Identifier: MIT
/* The instruction sets that the processor has and the system enables, and the number of cores. */
#ifndef HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H
#define HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H

#include <sched.h>
#include <stddef.h>

enum processor_set {
    PROCESSOR_AVX2 = 1, /* with FMA and F16C */
    PROCESSOR_AVXVNNI = 2,
    PROCESSOR_AVX512 = 4,    /* foundation, BW, VL and DQ */
    PROCESSOR_VNNI = 8,      /* AVX-512 VNNI */
    PROCESSOR_AMX = 16,      /* AMX-TILE and AMX-INT8 */
    PROCESSOR_NEON = 64,     /* 64-bit ARM */
    PROCESSOR_DOTPROD = 128, /* SDOT of 64-bit ARM */
};

/* The available sets, each only if all that it requires are available, without those in the mask.
 */
unsigned processor_sets(const char *mask);

/* The first name of the mask that is not one of avx2, avxvnni, avx512, vnni, amx, neon and dotprod,
 * and its length. NULL if all are known; sets of other architectures count as known. */
const char *processor_unknown_set(const char *mask, int *length);

/* The system's information on processors; tests replace it. */
struct cores_system {
    /* As sched_getaffinity(2) of this thread: -1 with EINVAL if the kernel has more processors. */
    int (*affinity)(size_t size, cpu_set_t *set);
    /* The lowest number among the processors that share a core with this one; itself if unknown. */
    int (*first_sibling)(int processor);
    /* What a processor can do in relation to others; 0 if unknown. */
    int (*capacity)(int processor);
    /* Processors that this process may use, by its quotas; UINT_MAX without any. */
    unsigned (*quota)(void);
};

extern const struct cores_system cores_system;

/*
 * Cores, of however many processors, that this thread may run on, but no more than the quota; 1 if
 * the system does not say. Those with less than half of the largest capacity are left out: all
 * others would wait for them at the end of every kernel.
 */
unsigned cores_count(const struct cores_system *system);

#endif
