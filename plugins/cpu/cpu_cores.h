// SPDX-License-Identifier: MIT
#ifndef HEARKEN_PLUGINS_CPU_CPU_CORES_H
#define HEARKEN_PLUGINS_CPU_CPU_CORES_H

#include <sched.h>
#include <stddef.h>

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
