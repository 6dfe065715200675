// SPDX-License-Identifier: MIT
/*
 * Intel's manual, volume 2, CPUID, and volume 1, 13.2: XGETBV; Linux, arch/arm64/elf_hwcaps.rst.
 * Compiled without instruction set flags.
 */
#include "plugins/cpu/cpu_processor.h"

#include "include/internal/processor_count.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned set;
    unsigned needs; /* sets above that this one requires */
} names[] = {
    {"avx2", PROCESSOR_AVX2, 0},
    {"avxvnni", PROCESSOR_AVXVNNI, PROCESSOR_AVX2},
    {"avx512", PROCESSOR_AVX512, PROCESSOR_AVX2},
    {"vnni", PROCESSOR_VNNI, PROCESSOR_AVX512},
    {"amx", PROCESSOR_AMX, PROCESSOR_AVX512},
    {"neon", PROCESSOR_NEON, 0},
    {"dotprod", PROCESSOR_DOTPROD, PROCESSOR_NEON},
};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STATE_AVX = 0x6,             /* XMM and YMM registers */
    STATE_AVX512 = 0xe6,         /* and masks, ZMM registers, registers 16 to 31 */
    STATE_TILES = 0x60000,       /* their configuration and their data */
    AMX_TILE_AND_INT8 = 3 << 24, /* of EDX */
    AVX_VNNI = 1 << 4,           /* of EAX; its name differs between Clang 14 and GCC */
};

/* XCR0: the register sets that the system saves when it switches threads. */
static uint64_t saved_state(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static unsigned detect(void)
{
    const unsigned need1 = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
    const unsigned need512 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    unsigned a, b, c, d, sets = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need1) != need1)
        return 0;
    const uint64_t state = saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if ((state & STATE_AVX) == STATE_AVX && b & bit_AVX2)
        sets |= PROCESSOR_AVX2;
    if ((state & STATE_AVX512) == STATE_AVX512 && (b & need512) == need512)
        sets |= PROCESSOR_AVX512;
    if (c & bit_AVX512VNNI)
        sets |= PROCESSOR_VNNI;
    if ((state & STATE_TILES) == STATE_TILES && (d & AMX_TILE_AND_INT8) == AMX_TILE_AND_INT8)
        sets |= PROCESSOR_AMX;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && a & AVX_VNNI)
        sets |= PROCESSOR_AVXVNNI;
#ifdef TILE_MODEL
    sets |= PROCESSOR_AMX;
#endif
    return sets;
}

/*
 * Requests Linux's permission to use tiles (arch/x86/xstate.rst), which need memory to be saved in.
 * It then holds for all threads of the process and for forked children.
 */
static bool may_use_tiles(void)
{
#ifdef TILE_MODEL
    return true;
#else
    enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };

    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
#endif
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

/* From the auxiliary vector, since user space cannot read the ID registers without HWCAP_CPUID. */
static unsigned detect(void)
{
    const unsigned long both = getauxval(AT_HWCAP);
    unsigned sets = 0;

    if (both & HWCAP_ASIMD)
        sets |= PROCESSOR_NEON;
    if (both & HWCAP_ASIMDDP)
        sets |= PROCESSOR_DOTPROD;
    return sets;
}

#else

static unsigned detect(void)
{
    return 0;
}

#endif

#ifndef __x86_64__

static bool may_use_tiles(void)
{
    return false;
}

#endif

static bool is_name(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(text, name, length) == 0;
}

/* The end of the name that starts at `text`. */
static size_t name_length(const char *text)
{
    return strcspn(text, ", ");
}

static unsigned masked_sets(const char *mask)
{
    unsigned sets = 0;

    for (size_t length; mask && *mask; mask += length + (mask[length] != 0)) {
        length = name_length(mask);
        for (size_t i = 0; i < NAME_COUNT; i++)
            if (is_name(mask, length, names[i].name))
                sets |= names[i].set;
    }
    return sets;
}

unsigned processor_sets(const char *mask)
{
    unsigned sets = detect() & ~masked_sets(mask);

    for (size_t i = 0; i < NAME_COUNT; i++)
        if ((sets & names[i].needs) != names[i].needs)
            sets &= ~names[i].set;
    if (sets & PROCESSOR_AMX && !may_use_tiles())
        sets &= ~(unsigned)PROCESSOR_AMX;
    return sets;
}

const char *processor_unknown_set(const char *mask, int *length)
{
    for (size_t size; mask && *mask; mask += size + (mask[size] != 0)) {
        bool known = false;
        size = name_length(mask);
        for (size_t i = 0; i < NAME_COUNT; i++)
            known |= is_name(mask, size, names[i].name);
        if (size > 0 && !known) {
            *length = (int)size;
            return mask;
        }
    }
    return NULL;
}

/* ---- Cores ---- */

static int own_affinity(size_t size, cpu_set_t *set)
{
    return sched_getaffinity(0, size, set);
}

/* The first number in a file on a processor; `otherwise` if there is none. */
static int read_number(int processor, const char *name, int otherwise)
{
    char path[96];
    int number = otherwise;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", processor, name);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d", &number) != 1)
        number = otherwise;
    if (file)
        fclose(file);
    return number;
}

static int read_first_sibling(int processor)
{
    return read_number(processor, "topology/thread_siblings_list", processor);
}

static int read_capacity(int processor)
{
    return read_number(processor, "cpu_capacity", 0);
}

static unsigned read_quota(void)
{
    return processor_quota("");
}

const struct cores_system cores_system = {own_affinity, read_first_sibling, read_capacity,
                                          read_quota};

static unsigned count_in(const struct cores_system *system, const cpu_set_t *processors,
                         cpu_set_t *cores, int count)
{
    const size_t size = CPU_ALLOC_SIZE(count);
    int largest = 0;

    CPU_ZERO_S(size, cores);
    for (int processor = 0; processor < count; processor++)
        if (CPU_ISSET_S(processor, size, processors)) {
            const int capacity = system->capacity(processor);
            largest = capacity > largest ? capacity : largest;
        }
    for (int processor = 0; processor < count; processor++)
        if (CPU_ISSET_S(processor, size, processors) &&
            system->capacity(processor) >= largest / 2) {
            const int first = system->first_sibling(processor);
            CPU_SET_S(first < 0 || first >= count ? processor : first, size, cores);
        }
    return (unsigned)CPU_COUNT_S(size, cores);
}

/* Returns 0 if the kernel has more than `count` processors. */
static unsigned try_count(const struct cores_system *system, int count)
{
    cpu_set_t *processors = CPU_ALLOC(count), *cores = CPU_ALLOC(count);
    unsigned found = 1;

    if (processors && cores) {
        CPU_ZERO_S(CPU_ALLOC_SIZE(count), processors);
        if (system->affinity(CPU_ALLOC_SIZE(count), processors) == 0)
            found = count_in(system, processors, cores, count);
        else if (errno == EINVAL)
            found = 0;
    }
    CPU_FREE(processors);
    CPU_FREE(cores);
    return found;
}

unsigned cores_count(const struct cores_system *system)
{
    unsigned found = 0;

    for (int count = FIRST_PROCESSORS; found == 0 && count <= MOST_PROCESSORS; count *= 2)
        found = try_count(system, count);
    const unsigned quota = system->quota();
    found = found < quota ? found : quota;
    return found ? found : 1;
}
