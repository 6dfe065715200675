// SPDX-License-Identifier: MIT
/* How the threads of the cpu backend are divided among callers in front and in the background. */
#include "plugins/cpu/thread_pool.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void add_thread_pool_tests(void);

/* ---- A job that holds its caller ---- */

struct holder {
    struct pool *pool;
    pthread_t thread;
    sem_t held, let_go;
    struct pool_caller caller;
};

static int hold(const void *context, size_t index, struct workspace *workspace)
{
    struct holder *holder = (struct holder *)(uintptr_t)context;

    (void)workspace;
    if (index == 0) { /* the caller's own part: it takes the first */
        sem_post(&holder->held);
        sem_wait(&holder->let_go);
    }
    return 0;
}

static int do_nothing(const void *context, size_t index, struct workspace *workspace)
{
    (void)context, (void)index, (void)workspace;
    return 0;
}

static void be_nicer(void)
{
    const int own = getpriority(PRIO_PROCESS, (id_t)gettid());

    EXPECT_EQUAL_FATAL(setpriority(PRIO_PROCESS, (id_t)gettid(), own + 1), 0);
}

static void *compute_in_background(void *argument)
{
    struct holder *holder = argument;

    be_nicer();
    EXPECT_EQUAL(pool_run(holder->pool, &holder->caller, hold, holder, 2), 0);
    pool_leave(holder->pool, &holder->caller);
    return NULL;
}

/* ---- A job whose parts run at the same time, or not ---- */

struct meeting {
    struct pool *pool;
    sem_t came[2];
    long patience; /* milliseconds */
    int result;
};

static int meet(const void *context, size_t index, struct workspace *workspace)
{
    struct meeting *meeting = (struct meeting *)(uintptr_t)context;
    struct timespec until;

    (void)workspace;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += meeting->patience % 1000 * 1000000;
    until.tv_sec += meeting->patience / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    sem_post(&meeting->came[index]);
    return sem_timedwait(&meeting->came[1 - index], &until) == 0 ? 0 : -errno;
}

static void run_meeting(struct meeting *meeting)
{
    struct pool_caller caller = {.listed = false};

    sem_init(&meeting->came[0], 0, 0);
    sem_init(&meeting->came[1], 0, 0);
    meeting->result = pool_run(meeting->pool, &caller, meet, meeting, 2);
    pool_leave(meeting->pool, &caller);
    sem_destroy(&meeting->came[0]);
    sem_destroy(&meeting->came[1]);
}

static void *meet_in_background(void *argument)
{
    be_nicer();
    run_meeting(argument);
    return NULL;
}

/*
 * Whoever computes in the background shares the threads with those in front, who do not. A caller
 * is as nice as the thread that it computes in now.
 */
static void test_background(void)
{
    struct holder holder = {.caller = {.listed = false}};
    struct meeting front = {.patience = 60000}, behind = {.patience = 100};
    pthread_t thread;
    EXPECT_EQUAL_FATAL(pool_create(2, &holder.pool), 0);
    front.pool = behind.pool = holder.pool;
    sem_init(&holder.held, 0, 0);
    sem_init(&holder.let_go, 0, 0);
    EXPECT_EQUAL(pool_run(holder.pool, &holder.caller, do_nothing, NULL, 2), 0);
    EXPECT_EQUAL_FATAL(pthread_create(&holder.thread, NULL, compute_in_background, &holder), 0);
    sem_wait(&holder.held);
    run_meeting(&front);
    EXPECT_EQUAL(front.result, 0);
    EXPECT_EQUAL_FATAL(pthread_create(&thread, NULL, meet_in_background, &behind), 0);
    pthread_join(thread, NULL);
    EXPECT_EQUAL(behind.result, -ETIMEDOUT);
    sem_post(&holder.let_go);
    pthread_join(holder.thread, NULL);
    sem_destroy(&holder.held);
    sem_destroy(&holder.let_go);
    pool_destroy(holder.pool);
}

void add_thread_pool_tests(void)
{
    CU_pSuite suite = CU_add_suite("thread pool", NULL, NULL);
    CU_add_test(suite, "background", test_background);
}
