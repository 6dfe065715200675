// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_RESIDENT_MEMORY_H
#define HEARKEN_DAEMON_COMMON_RESIDENT_MEMORY_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* Resident memory of this process in bytes, 0 if unknown. */
static inline uint64_t resident_memory(void)
{
    uint64_t total, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

#endif
