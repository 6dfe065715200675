// SPDX-License-Identifier: MIT
#include "tests/kernels/subject.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct subject *subject(void)
{
    static struct subject only;

    return &only;
}

int cases(int count)
{
    return subject()->quick ? (count + 7) / 8 : count;
}

bool expect_at(const char *file, int line, bool good, const char *format, ...)
{
    char text[512] = "";
    va_list list;

    if (!good) {
        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
    }
    CU_assertImplementation(good, (unsigned)line, text, file, "", CU_FALSE);
    return good;
}

/* ---- Randomness: SplitMix64 (Steele, Lea, Flood 2014) ---- */

static uint64_t *random_state(void)
{
    static uint64_t state;

    return &state;
}

static uint64_t random_bits(void)
{
    uint64_t z = *random_state() += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_start(uint64_t seed, const char *name)
{
    *random_state() = seed;
    for (; *name; name++)
        *random_state() = random_bits() ^ (uint8_t)*name;
}

uint32_t random_below(uint32_t limit)
{
    return (uint32_t)((random_bits() >> 32) * limit >> 32);
}

uint32_t random_size(uint32_t limit)
{
    static const uint32_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};
    const uint32_t edge = edges[random_below(sizeof(edges) / sizeof(edges[0]))];

    return edge <= limit && random_below(2) ? edge : 1 + random_below(limit);
}

struct hearken_stand_ins random_stand_ins(uint32_t keys)
{
    const uint32_t most = keys < 20 ? keys : 20;

    if (random_below(2))
        return (struct hearken_stand_ins){0};
    return (struct hearken_stand_ins){random_below(most + 1), (float)random_below(7000) / 1000};
}

double random_uniform(void)
{
    return (double)(random_bits() >> 11) * 0x1p-52 - 1;
}

/* Box and Muller 1958. */
double random_normal(void)
{
    const double radius = sqrt(-2 * log((double)((random_bits() >> 11) + 1) * 0x1p-53));

    return radius * cos(M_PI * random_uniform());
}

/* ---- Time ---- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool run_once(int (*run)(const void *), const void *arguments,
                     const struct hearken_matrix *wait, unsigned times)
{
    const struct hearken_matrix one = {wait->buffer, wait->offset, 1, 1, 1};
    float element;

    for (unsigned i = 0; i < times; i++)
        if (run(arguments) != 0)
            return false;
    return subject()->kernels->read(subject()->queue, &one, &element) == 0;
}

double bench_seconds(int (*run)(const void *arguments), const void *arguments,
                     const struct hearken_matrix *wait)
{
    double best = INFINITY, spent = 0;
    unsigned times = 1;

    if (!run_once(run, arguments, wait, 1))
        return NAN;
    while (spent < 0.5) {
        const double start = now();
        if (!run_once(run, arguments, wait, times))
            return NAN;
        const double took = now() - start;
        spent += took;
        best = fmin(best, took / times);
        if (took < 0.01) /* so that waiting for the queue weighs little */
            times *= 2;
    }
    return best;
}

void bench_report(const char *kernel, const char *what, double amount, const char *unit,
                  double seconds)
{
    printf("%-12s %-36s %9.2f G%s/s %10.3f ms\n", kernel, what, amount * 1e-9 / seconds, unit,
           seconds * 1e3);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory) {
        fprintf(stderr, "kernels-test: no memory for %zu elements of %zu bytes\n", count, size);
        exit(2);
    }
    return memory;
}
