// SPDX-License-Identifier: MIT
/*
 * Threads that run the parts of jobs. Several callers may run jobs at the same time. The threads
 * are divided among the callers that compute: with as many callers as threads each works alone,
 * which costs no waiting for the others at the end of every kernel. A caller shares them only with
 * those whose threads are as nice as its own, or less: whoever computes in the background takes
 * nothing from those in front of it.
 */
#ifndef HEARKEN_PLUGINS_CPU_THREAD_POOL_H
#define HEARKEN_PLUGINS_CPU_THREAD_POOL_H

#include "plugins/cpu/cpu.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* One of `count` parts of a job. `workspace` is the running thread's own. 0 or a negative errno. */
typedef int pool_task(const void *context, size_t index, struct workspace *workspace);

/* Runs one job at a time. Zeroed at first. */
struct pool_caller {
    struct workspace workspace;
    atomic_llong seen; /* when its last job ended, or INT64_MAX while one runs; nanoseconds */
    pthread_t thread;  /* that of its last job; guarded by the pool's lock, as the next */
    int niceness;      /* of that thread; queues go from one to another */
    bool listed;
    struct pool_caller *following;
};

/* `threads` counts the caller; 0: as many as physical cores are available to this process. Returns
 * 0 or a negative errno. */
int pool_create(unsigned threads, struct pool **pool);

/* No job may be running. Accepts NULL. In a forked child, which has no copies of the threads, it
 * only frees the memory. */
void pool_destroy(struct pool *pool);

/* Threads that work on a job when no other caller computes, at least 1. */
unsigned pool_threads(const struct pool *pool);

/*
 * Runs parts 0 to count - 1 in parallel and in any order, and waits for all; the caller runs parts
 * too, with its workspace. Returns the first error, after which no further part is started.
 */
int pool_run(struct pool *pool, struct pool_caller *caller, pool_task *task, const void *context,
             size_t count);

/* The caller runs no more jobs; frees its workspace. */
void pool_leave(struct pool *pool, struct pool_caller *caller);

/* Each queue is a caller. */
struct cpu_queue {
    struct hearken_queue base;
    struct pool_caller caller;
};

static inline struct pool_caller *cpu_caller(struct hearken_queue *queue)
{
    return &((struct cpu_queue *)queue)->caller;
}

#endif
