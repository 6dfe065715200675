// SPDX-License-Identifier: MIT
#include "plugins/cpu/cpu_cores.h"

#include <errno.h>
#include <stdio.h>

enum {
    FIRST_PROCESSORS = CPU_SETSIZE,
    MOST_PROCESSORS = 1 << 20, /* far beyond what Linux can be built for */
};

static int own_affinity(size_t size, cpu_set_t *set)
{
    return sched_getaffinity(0, size, set);
}

static int read_first_sibling(int processor)
{
    char path[96];
    int first = processor;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             processor);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d", &first) != 1)
        first = processor;
    if (file)
        fclose(file);
    return first;
}

const struct cores_system cores_system = {own_affinity, read_first_sibling};

static unsigned count_in(const struct cores_system *system, const cpu_set_t *processors,
                         cpu_set_t *cores, int count)
{
    const size_t size = CPU_ALLOC_SIZE(count);

    CPU_ZERO_S(size, cores);
    for (int processor = 0; processor < count; processor++)
        if (CPU_ISSET_S(processor, size, processors)) {
            const int first = system->first_sibling(processor);
            CPU_SET_S(first < 0 || first >= count ? processor : first, size, cores);
        }
    return (unsigned)CPU_COUNT_S(size, cores);
}

/* 0: the kernel has more than `count` processors. */
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
    return found ? found : 1;
}
