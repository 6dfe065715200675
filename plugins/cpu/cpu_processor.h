// SPDX-License-Identifier: MIT
/* Which instruction sets the processor has and the system lets programs use. */
#ifndef HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H
#define HEARKEN_PLUGINS_CPU_CPU_PROCESSOR_H

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

#endif
