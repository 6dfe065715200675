// SPDX-License-Identifier: MIT
/* The daemon's pool of workers: real threads, held and let go at gates. */
#include "daemon/recognition/workers.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void add_workers_tests(void);

/* Shared by all jobs of a test. */
struct shop {
    uv_loop_t loop;
    struct workers *workers;
    uv_mutex_t mutex;
    char turns[40]; /* a job's name for each turn; by the mutex */
    char told[40];  /* its name for each delivery, in capitals for its end; the loop's */
    size_t ends;
};

/* Runs once for each letter of its script: A(gain), S(uspend), E(nd). */
struct job {
    struct work work;
    struct shop *shop;
    char name;
    const char *script;
    int niceness; /* of the thread of the last turn */
    bool gated;   /* each turn posts `entered` and waits for `leave` */
    uv_sem_t entered, leave;
};

static enum work_outcome run(struct work *work)
{
    struct job *job = (struct job *)work;
    uv_mutex_lock(&job->shop->mutex);
    job->shop->turns[strlen(job->shop->turns)] = job->name;
    uv_mutex_unlock(&job->shop->mutex);
    job->niceness = getpriority(PRIO_PROCESS, (id_t)gettid());
    if (job->gated) {
        uv_sem_post(&job->entered);
        uv_sem_wait(&job->leave);
    }
    char step = *job->script++;
    return step == 'A' ? WORK_AGAIN : step == 'S' ? WORK_SUSPEND : WORK_END;
}

static void on_delivery(struct work *work)
{
    struct job *job = (struct job *)work;
    job->shop->told[strlen(job->shop->told)] = job->name;
}

static void on_end(struct work *work)
{
    struct job *job = (struct job *)work;
    job->shop->told[strlen(job->shop->told)] = (char)(job->name - 'a' + 'A');
    job->shop->ends++;
}

static struct job make_job(struct shop *shop, char name, const char *script)
{
    return (struct job){
        .work = {.run = run, .deliver = on_delivery, .ended = on_end},
        .shop = shop,
        .name = name,
        .script = script,
    };
}

static void open_shop(struct shop *shop, unsigned count)
{
    *shop = (struct shop){.ends = 0};
    EXPECT_EQUAL_FATAL(uv_loop_init(&shop->loop), 0);
    EXPECT_EQUAL_FATAL(uv_mutex_init(&shop->mutex), 0);
    EXPECT_EQUAL_FATAL(workers_create(count, &shop->loop, &shop->workers), 0);
    EXPECT_EQUAL(workers_count(shop->workers), count);
}

static void wait_for_ends(struct shop *shop, size_t count)
{
    while (shop->ends < count)
        uv_run(&shop->loop, UV_RUN_ONCE);
}

static void close_shop(struct shop *shop, const char *turns, const char *told)
{
    workers_destroy(shop->workers);
    uv_run(&shop->loop, UV_RUN_DEFAULT);
    EXPECT_EQUAL(uv_loop_close(&shop->loop), 0);
    uv_mutex_destroy(&shop->mutex);
    EXPECT_EQUAL_STRING(shop->turns, turns);
    EXPECT_EQUAL_STRING(shop->told, told);
}

/* Submits a job and waits until a worker has it. */
static void start_gated(struct job *job)
{
    job->gated = true;
    uv_sem_init(&job->entered, 0);
    uv_sem_init(&job->leave, 0);
    workers_submit(job->shop->workers, &job->work);
    uv_sem_wait(&job->entered);
}

static void finish_gated(struct job *job)
{
    uv_sem_destroy(&job->entered);
    uv_sem_destroy(&job->leave);
}

static void expect_loads(const struct shop *shop, unsigned busy, unsigned urgent_busy,
                         unsigned waiting)
{
    const struct work_load load = workers_load(shop->workers);
    EXPECT_EQUAL(load.busy, busy);
    EXPECT_EQUAL(load.urgent_busy, urgent_busy);
    EXPECT_EQUAL(load.waiting, waiting);
}

/* Nothing is urgent. */
static void expect_load(const struct shop *shop, unsigned busy, unsigned waiting)
{
    expect_loads(shop, busy, 0, waiting);
}

/* First come, first served; one that has more to do goes behind the others. */
static void test_order(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "E"), a = make_job(&shop, 'a', "AAE"),
               b = make_job(&shop, 'b', "AE"), c = make_job(&shop, 'c', "E");
    start_gated(&plug);
    workers_submit(shop.workers, &a.work);
    workers_submit(shop.workers, &b.work);
    workers_submit(shop.workers, &a.work); /* it waits already */
    workers_submit(shop.workers, &c.work);
    expect_load(&shop, 1, 3);
    uv_sem_post(&plug.leave);
    wait_for_ends(&shop, 4);
    expect_load(&shop, 0, 0);
    workers_submit(shop.workers, &a.work); /* it has ended */
    expect_load(&shop, 0, 0);
    finish_gated(&plug);
    close_shop(&shop, "pabcaba", "pPcCbBaA");
}

/* What comes while it runs is not lost: it runs once more, however often it was submitted. */
static void test_submitted_while_it_runs(void)
{
    struct shop shop;
    open_shop(&shop, 2);
    struct job a = make_job(&shop, 'a', "SSE");
    start_gated(&a);
    workers_submit(shop.workers, &a.work);
    workers_submit(shop.workers, &a.work);
    expect_load(&shop, 1, 0); /* never two workers at once */
    uv_sem_post(&a.leave);
    uv_sem_wait(&a.entered);
    expect_load(&shop, 1, 0);
    workers_submit(shop.workers, &a.work);
    uv_sem_post(&a.leave);
    uv_sem_wait(&a.entered);
    uv_sem_post(&a.leave);
    wait_for_ends(&shop, 1);
    finish_gated(&a);
    close_shop(&shop, "aaa", "aA");
}

/* The second worker is done before the first one. */
static void test_ends_out_of_order(void)
{
    struct shop shop;
    open_shop(&shop, 2);
    struct job a = make_job(&shop, 'a', "E"), b = make_job(&shop, 'b', "E");
    start_gated(&a);
    start_gated(&b);
    expect_load(&shop, 2, 0);
    uv_sem_post(&b.leave);
    wait_for_ends(&shop, 1);
    uv_sem_post(&a.leave);
    wait_for_ends(&shop, 2);
    finish_gated(&a);
    finish_gated(&b);
    close_shop(&shop, "ab", "bBaA");
}

/* From the middle of the queue, its end, its beginning; and what a worker has had stays. */
static void test_withdrawal(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "AE"), fresh = make_job(&shop, 'f', "E"), jobs[5];
    start_gated(&plug);
    for (int i = 0; i < 5; i++) {
        jobs[i] = make_job(&shop, (char)('a' + i), "E");
        workers_submit(shop.workers, &jobs[i].work);
    }
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &jobs[2].work));
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &jobs[4].work));
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &jobs[0].work));
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &fresh.work));
    CU_ASSERT_FALSE(workers_withdraw(shop.workers, &plug.work));
    workers_submit(shop.workers, &jobs[2].work); /* it is gone for good */
    expect_load(&shop, 1, 2);
    uv_sem_post(&plug.leave);
    uv_sem_wait(&plug.entered);
    CU_ASSERT_FALSE(workers_withdraw(shop.workers, &plug.work));
    uv_sem_post(&plug.leave);
    wait_for_ends(&shop, 3);
    finish_gated(&plug);
    close_shop(&shop, "pbdp", "bBdDpP");
}

/* The queue is sound after its only work was withdrawn. */
static void test_withdrawal_of_all(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "E"), a = make_job(&shop, 'a', "E"),
               b = make_job(&shop, 'b', "E");
    start_gated(&plug);
    workers_submit(shop.workers, &a.work);
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &a.work));
    expect_load(&shop, 1, 0);
    workers_submit(shop.workers, &b.work);
    uv_sem_post(&plug.leave);
    wait_for_ends(&shop, 2);
    finish_gated(&plug);
    close_shop(&shop, "pb", "pPbB");
}

/* Of two lanes: `urgent` and one more end, then `plug` and the last. */
static void finish_lanes(struct shop *shop, struct job *urgent, struct job *plug)
{
    uv_sem_post(&urgent->leave);
    wait_for_ends(shop, 2);
    expect_load(shop, 1, 1);
    uv_sem_post(&plug->leave);
    wait_for_ends(shop, 4);
    finish_gated(plug);
    finish_gated(urgent);
}

/* However much there is to do, somebody who waits for each turn waits only for the likes of him. */
static void test_urgent(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "E"), a = make_job(&shop, 'a', "E"),
               urgent = make_job(&shop, 'u', "AE"), next = make_job(&shop, 'v', "E"),
               gone = make_job(&shop, 'w', "E");
    urgent.work.is_urgent = next.work.is_urgent = gone.work.is_urgent = true;
    start_gated(&plug);
    workers_submit(shop.workers, &a.work);
    start_gated(&urgent);
    workers_submit(shop.workers, &gone.work);
    workers_submit(shop.workers, &next.work);
    expect_loads(&shop, 1, 1, 3);
    CU_ASSERT_TRUE(workers_withdraw(shop.workers, &gone.work));
    const int own = getpriority(PRIO_PROCESS, (id_t)gettid());
    EXPECT_EQUAL(urgent.niceness, own);
    EXPECT_EQUAL(plug.niceness, own > 10 ? own : 10);
    uv_sem_post(&urgent.leave);
    wait_for_ends(&shop, 1); /* of `next`, as `urgent` has another turn */
    finish_lanes(&shop, &urgent, &plug);
    close_shop(&shop, "puvua", "vVuUpPaA");
}

/* What turns out not to be urgent goes behind the others, and back. */
static void test_change_of_urgency(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "E"), urgent = make_job(&shop, 'u', "E"),
               a = make_job(&shop, 'a', "E"), b = make_job(&shop, 'b', "E");
    urgent.work.is_urgent = b.work.is_urgent = true;
    start_gated(&plug);
    start_gated(&urgent);
    workers_submit(shop.workers, &b.work);
    workers_submit(shop.workers, &a.work);
    workers_set_urgent(shop.workers, &a.work, true);
    workers_set_urgent(shop.workers, &b.work, false);
    expect_loads(&shop, 1, 1, 2);
    finish_lanes(&shop, &urgent, &plug);
    close_shop(&shop, "puab", "uUaApPbB");
}

/* Deliveries that the loop has not come to are one; they come in their order. */
static void test_deliveries(void)
{
    struct shop shop;
    open_shop(&shop, 1);
    struct job a = make_job(&shop, 'a', "E"), b = make_job(&shop, 'b', "E");
    workers_deliver(shop.workers, &b.work);
    workers_deliver(shop.workers, &a.work);
    workers_deliver(shop.workers, &b.work);
    uv_run(&shop.loop, UV_RUN_ONCE);
    EXPECT_EQUAL_STRING(shop.told, "ba");
    workers_deliver(shop.workers, &a.work);
    uv_run(&shop.loop, UV_RUN_ONCE);
    close_shop(&shop, "", "baa");
}

static void let_go(void *context)
{
    struct job *job = context;
    uv_sem_post(&job->leave);
}

/* Works say what they did; how long workers are busy is counted also while they are. */
static void test_totals(void)
{
    struct shop shop;
    open_shop(&shop, 2);
    struct job a = make_job(&shop, 'a', "AE"), plug = make_job(&shop, 'p', "E");
    a.work.sound_seconds = 1.5;
    a.work.spent_seconds = 0.25;
    start_gated(&plug);
    uint64_t start = uv_hrtime();
    workers_submit(shop.workers, &a.work);
    wait_for_ends(&shop, 1);
    struct work_totals before = workers_totals(shop.workers), after = before;
    CU_ASSERT_EQUAL(before.sound, 3);
    CU_ASSERT_EQUAL(before.spent, 0.5);
    while (after.busy < before.busy + 0.01)
        after = workers_totals(shop.workers);
    CU_ASSERT_TRUE((double)(uv_hrtime() - start) * 1e-9 >= 0.01);
    uv_sem_post(&plug.leave);
    wait_for_ends(&shop, 2);
    before = workers_totals(shop.workers);
    after = workers_totals(shop.workers);
    CU_ASSERT_EQUAL(before.busy, after.busy);
    finish_gated(&plug);
    close_shop(&shop, "paa", "aApP");
}

/* What runs is finished, and nothing is told any more. */
static void test_end_of_the_pool(void)
{
    struct shop shop;
    uv_thread_t thread;
    open_shop(&shop, 1);
    struct job plug = make_job(&shop, 'p', "E");
    start_gated(&plug);
    EXPECT_EQUAL_FATAL(uv_thread_create(&thread, let_go, &plug), 0);
    close_shop(&shop, "p", "");
    uv_thread_join(&thread);
    EXPECT_EQUAL(plug.work.state, WORK_ENDED);
    finish_gated(&plug);
}

void add_workers_tests(void)
{
    CU_pSuite suite = CU_add_suite("workers", NULL, NULL);
    CU_add_test(suite, "order", test_order);
    CU_add_test(suite, "submitted while it runs", test_submitted_while_it_runs);
    CU_add_test(suite, "ends out of order", test_ends_out_of_order);
    CU_add_test(suite, "withdrawal", test_withdrawal);
    CU_add_test(suite, "withdrawal of all", test_withdrawal_of_all);
    CU_add_test(suite, "urgent", test_urgent);
    CU_add_test(suite, "change of urgency", test_change_of_urgency);
    CU_add_test(suite, "deliveries", test_deliveries);
    CU_add_test(suite, "totals", test_totals);
    CU_add_test(suite, "end of the pool", test_end_of_the_pool);
}
