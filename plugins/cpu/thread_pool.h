// SPDX-License-Identifier: MIT
/*
 * Threads that run the parts of jobs. Several callers may run jobs at the same time: each works on
 * its own job, and the pool's threads serve the jobs in turn.
 */
#ifndef HEARKEN_PLUGINS_CPU_THREAD_POOL_H
#define HEARKEN_PLUGINS_CPU_THREAD_POOL_H

#include "plugins/cpu/cpu.h"

/* One of `count` parts of a job. `workspace` is the running thread's own. 0 or a negative errno. */
typedef int pool_task(const void *context, size_t index, struct workspace *workspace);

/* `threads` counts the caller; 0: as many as physical cores are available to this process. Returns
 * 0 or a negative errno. */
int pool_create(unsigned threads, struct pool **pool);

/* No job may be running. Accepts NULL. In a forked child, which has no copies of the threads, it
 * only frees the memory. */
void pool_destroy(struct pool *pool);

/* Threads that work on a job when no other does, at least 1. */
unsigned pool_threads(const struct pool *pool);

/*
 * Runs parts 0 to count - 1 in parallel and in any order, and waits for all; the caller runs parts
 * too, with `workspace`. Returns the first error, after which no further part is started.
 */
int pool_run(struct pool *pool, pool_task *task, const void *context, size_t count,
             struct workspace *workspace);

#endif
