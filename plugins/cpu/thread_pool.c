// SPDX-License-Identifier: MIT
#include "plugins/cpu/thread_pool.h"

#include "include/internal/monotonic_clock.h"
#include "plugins/cpu/cpu_processor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_THREADS = 64,
    /* Waking a thread takes about ten microseconds, as long as a kernel on few rows. So a thread
     * spins for this long before it sleeps: the next kernel of a pass, or the last part of a job,
     * mostly arrives sooner. */
    LINGER_NANOSECONDS = 100 * 1000,
    LOOKS = 16, /* iterations between two readings of the clock */
    /* A caller counts as computing for so long after its last job: between two kernels there is
     * only some work on the hypotheses. */
    REST_NANOSECONDS = 1000 * 1000,
};

/* On its caller's stack; in the pool's list while parts are unclaimed. All members are guarded by
 * the pool's lock. */
struct job {
    pool_task *task;
    const void *context;
    size_t count, next;
    unsigned helpers;    /* most threads that may run parts, besides the caller */
    atomic_uint working; /* threads running a part, besides the caller; stored under lock */
    int error;
    struct job *following;
};

struct worker {
    struct pool *pool;
    pthread_t thread;
    struct workspace workspace;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t posted;       /* a job was added, or the pool stops */
    pthread_cond_t finished;     /* the last thread has left a job */
    struct job *first;           /* the next to get a thread; guarded by lock */
    struct pool_caller *callers; /* those that computed lately; guarded by lock */
    bool stopping;
    pid_t process;
    atomic_uint open_jobs; /* length of the list; atomic, read without the lock */
    unsigned count;
    struct worker workers[];
};

/* ---- The list of jobs; lock held ---- */

static void append(struct pool *pool, struct job *job)
{
    struct job **at = &pool->first;

    while (*at)
        at = &(*at)->following;
    job->following = NULL;
    *at = job;
    atomic_fetch_add(&pool->open_jobs, 1);
}

static void take_out(struct pool *pool, struct job *job)
{
    struct job **at = &pool->first;

    while (*at && *at != job)
        at = &(*at)->following;
    if (!*at)
        return;
    *at = job->following;
    atomic_fetch_sub(&pool->open_jobs, 1);
}

/* Claims the next part of `job`; false if all are claimed. */
static bool claim(struct pool *pool, struct job *job, size_t *index)
{
    if (job->next == job->count)
        return false;
    *index = job->next++;
    if (job->next == job->count)
        take_out(pool, job);
    return true;
}

static void note(struct pool *pool, struct job *job, int result)
{
    if (!result || job->error)
        return;
    job->error = result;
    job->next = job->count;
    take_out(pool, job);
}

/* ---- Threads ---- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Spins, without the lock, for up to LINGER_NANOSECONDS until `number` is zero (`is_zero`) or is
 * not. */
static void linger(atomic_uint *number, bool is_zero)
{
    const int64_t end = clock_nanoseconds() + LINGER_NANOSECONDS;

    do {
        for (int look = 0; look < LOOKS; look++) {
            if ((atomic_load_explicit(number, memory_order_relaxed) == 0) == is_zero)
                return;
            relax();
        }
    } while (clock_nanoseconds() < end);
}

/* The job that has waited longest for a thread and may have another one, or NULL. Lock held. */
static struct job *find_job(const struct pool *pool)
{
    struct job *job = pool->first;

    while (job && atomic_load(&job->working) >= job->helpers)
        job = job->following;
    return job;
}

/* Runs one part of a job. Lock held on entry and return. */
static void work(struct worker *worker, struct job *job)
{
    struct pool *pool = worker->pool;
    size_t index;

    if (!claim(pool, job, &index))
        return;
    if (job->next < job->count && job->following) {
        take_out(pool, job);
        append(pool, job);
    }
    atomic_fetch_add(&job->working, 1);
    pthread_mutex_unlock(&pool->lock);
    const int result = job->task(job->context, index, &worker->workspace);
    pthread_mutex_lock(&pool->lock);
    note(pool, job, result);
    if (atomic_fetch_sub(&job->working, 1) == 1)
        pthread_cond_broadcast(&pool->finished);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;

    struct job *job;

    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        if ((job = find_job(pool))) {
            work(worker, job);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        linger(&pool->open_jobs, false);
        pthread_mutex_lock(&pool->lock);
        while (!find_job(pool) && !pool->stopping)
            pthread_cond_wait(&pool->posted, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- Callers ---- */

/* Notes that a caller computes, and returns how many do that it shares with. Lock held. */
static unsigned count_callers(struct pool *pool, struct pool_caller *caller)
{
    const long long since = clock_nanoseconds() - REST_NANOSECONDS;
    unsigned count = 0;

    if (!caller->listed || !pthread_equal(caller->thread, pthread_self())) {
        caller->thread = pthread_self();
        caller->niceness = getpriority(PRIO_PROCESS, (id_t)gettid());
    }
    if (!caller->listed) {
        caller->listed = true;
        caller->following = pool->callers;
        pool->callers = caller;
    }
    atomic_store(&caller->seen, INT64_MAX);
    for (struct pool_caller **at = &pool->callers; *at;) {
        struct pool_caller *other = *at;
        if (atomic_load(&other->seen) >= since) {
            count += other->niceness <= caller->niceness;
            at = &other->following;
        } else {
            *at = other->following;
            other->listed = false;
        }
    }
    return count;
}

void pool_leave(struct pool *pool, struct pool_caller *caller)
{
    /* In a forked child the lock may be held for ever. */
    if (getpid() == pool->process) {
        pthread_mutex_lock(&pool->lock);
        for (struct pool_caller **at = &pool->callers; *at; at = &(*at)->following)
            if (*at == caller) {
                *at = caller->following;
                break;
            }
        pthread_mutex_unlock(&pool->lock);
    }
    workspace_finish(&caller->workspace);
}

/* ---- Jobs ---- */

static int run_alone(struct pool_caller *caller, pool_task *task, const void *context, size_t count)
{
    int result = 0;

    for (size_t index = 0; index < count && !result; index++)
        result = task(context, index, &caller->workspace);
    return result;
}

/* Runs a job with the help of the pool's threads. Lock held on entry. */
static int run_together(struct pool *pool, struct pool_caller *caller, struct job *job)
{
    size_t index;

    append(pool, job);
    if (job->count > 2)
        pthread_cond_broadcast(&pool->posted);
    else
        pthread_cond_signal(&pool->posted);
    while (claim(pool, job, &index)) {
        pthread_mutex_unlock(&pool->lock);
        const int result = job->task(job->context, index, &caller->workspace);
        pthread_mutex_lock(&pool->lock);
        note(pool, job, result);
    }
    if (atomic_load(&job->working) > 0) {
        pthread_mutex_unlock(&pool->lock);
        linger(&job->working, true);
        pthread_mutex_lock(&pool->lock);
    }
    while (atomic_load(&job->working) > 0)
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return job->error;
}

int pool_run(struct pool *pool, struct pool_caller *caller, pool_task *task, const void *context,
             size_t count)
{
    int result;

    if (count < 2 || pool->count == 0 || getpid() != pool->process)
        return run_alone(caller, task, context, count);
    pthread_mutex_lock(&pool->lock);
    const unsigned share = (pool->count + 1) / count_callers(pool, caller);
    if (share > 1) {
        struct job job = {.task = task, .context = context, .count = count, .helpers = share - 1};
        result = run_together(pool, caller, &job);
    } else {
        pthread_mutex_unlock(&pool->lock);
        result = run_alone(caller, task, context, count);
    }
    atomic_store(&caller->seen, clock_nanoseconds());
    return result;
}

unsigned pool_threads(const struct pool *pool)
{
    return pool->count + 1;
}

/* ---- Life ---- */

/* The threads block all signals, which belong to the program's own threads. If some threads cannot
 * be started, the pool works with fewer. */
static void start_workers(struct pool *pool, unsigned count)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; pool->count < count; pool->count++) {
        struct worker *worker = &pool->workers[pool->count];
        worker->pool = pool;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
        pthread_setname_np(worker->thread, "hearken-cpu");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Adaptive: the lock is held only briefly, so a waiter spins before it sleeps. */
static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
#ifdef __GLIBC__
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

int pool_create(unsigned threads, struct pool **pool)
{
    if (threads == 0)
        threads = cores_count(&cores_system);
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    struct pool *made = calloc(1, sizeof(*made) + (threads - 1) * sizeof(made->workers[0]));
    if (!made)
        return -ENOMEM;
    made->process = getpid();
    atomic_init(&made->open_jobs, 0);
    init_lock(&made->lock);
    pthread_cond_init(&made->posted, NULL);
    pthread_cond_init(&made->finished, NULL);
    start_workers(made, threads - 1);
    *pool = made;
    return 0;
}

static void stop_workers(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->lock);
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    if (getpid() == pool->process)
        stop_workers(pool);
    for (unsigned i = 0; i < pool->count; i++)
        workspace_finish(&pool->workers[i].workspace);
    free(pool);
}
