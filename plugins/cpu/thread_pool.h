// SPDX-License-Identifier: MIT
/*
 * Threads that share the work of large calls. Any number of callers may run jobs at the same time;
 * each works on its own, and the threads take turns among them.
 */
#ifndef HEARKEN_PLUGINS_CPU_THREAD_POOL_H
#define HEARKEN_PLUGINS_CPU_THREAD_POOL_H

#include "plugins/cpu/cpu.h"

/* One of `count` parts of a job. `workspace` is the running thread's own. 0 or a negative errno. */
typedef int pool_task(const void *context, size_t index, struct workspace *workspace);

/* `threads` in all, the caller being one; 0: as many as there are physical cores for this process.
 * 0 or a negative errno. */
int pool_create(unsigned threads, struct pool **pool);

/* No job may be running. Accepts NULL. In a child of fork, where the threads are not, it only frees
 * the memory. */
void pool_destroy(struct pool *pool);

/* Threads that work on a job when no other does, at least 1. */
unsigned pool_threads(const struct pool *pool);

/*
 * Runs parts 0 to count - 1 in any order, at the same time, and waits for all; the caller takes
 * part with `workspace`. The first error is returned, after which parts not begun are left out.
 */
int pool_run(struct pool *pool, pool_task *task, const void *context, size_t count,
             struct workspace *workspace);

#endif
