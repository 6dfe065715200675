// SPDX-License-Identifier: MIT
#include "daemon/recognition/workers.h"

#include "include/internal/processor_count.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The usual size. Backends keep arrays on the heap, but the libraries they call may need stack. */
#define STACK_SIZE ((size_t)8 * 1024 * 1024)

/* Of workers that are not urgent: beside them, an urgent one gets nine tenths of a processor. */
#define NICENESS 10

enum lane_name { ORDINARY, URGENT, LANES };

/* Works that wait, and the threads that run them. */
struct lane {
    struct workers *workers;
    unsigned count; /* of running threads */
    unsigned busy;  /* of them */
    uv_thread_t *threads;
    uv_cond_t wake;
    struct work *waiting_head, *waiting_tail;
};

struct workers {
    uv_mutex_t mutex; /* guards the queues, all below and the private members of the works */
    struct lane lanes[LANES];
    bool stopping;
    unsigned waiting;
    uint64_t busy_changed; /* uv_hrtime: `totals.busy` is as of then */
    struct work_totals totals;
    struct work *delivery_head, *delivery_tail;
    uv_async_t async;
};

static struct lane *lane_of(struct workers *workers, const struct work *work)
{
    return &workers->lanes[work->is_urgent ? URGENT : ORDINARY];
}

static void append_waiting(struct workers *workers, struct work *work)
{
    struct lane *lane = lane_of(workers, work);
    work->state = WORK_WAITING;
    work->next_waiting = NULL;
    if (lane->waiting_tail)
        lane->waiting_tail->next_waiting = work;
    else
        lane->waiting_head = work;
    lane->waiting_tail = work;
    workers->waiting++;
    uv_cond_signal(&lane->wake);
}

static struct work *pop_waiting(struct lane *lane)
{
    struct work *work = lane->waiting_head;
    lane->waiting_head = work->next_waiting;
    if (!lane->waiting_head)
        lane->waiting_tail = NULL;
    lane->workers->waiting--;
    return work;
}

static void remove_waiting(struct workers *workers, const struct work *work)
{
    struct lane *lane = lane_of(workers, work);
    struct work *previous = NULL;
    for (struct work *at = lane->waiting_head; at != work; at = at->next_waiting)
        previous = at;
    if (previous)
        previous->next_waiting = work->next_waiting;
    else
        lane->waiting_head = work->next_waiting;
    if (lane->waiting_tail == work)
        lane->waiting_tail = previous;
    workers->waiting--;
}

static void append_delivery(struct workers *workers, struct work *work)
{
    if (work->delivering)
        return;
    work->delivering = true;
    work->next_delivery = NULL;
    if (workers->delivery_tail)
        workers->delivery_tail->next_delivery = work;
    else
        workers->delivery_head = work;
    workers->delivery_tail = work;
    uv_async_send(&workers->async);
}

static void settle(struct workers *workers, struct work *work, enum work_outcome outcome)
{
    if (outcome == WORK_END) {
        work->state = WORK_ENDED;
        append_delivery(workers, work);
    } else if (outcome == WORK_AGAIN || work->state == WORK_RUNNING_AGAIN) {
        append_waiting(workers, work);
    } else {
        work->state = WORK_IDLE;
    }
}

/* To be called before a lane's `busy` changes. */
static void count_busy_time(struct workers *workers)
{
    uint64_t now = uv_hrtime();
    unsigned busy = workers->lanes[ORDINARY].busy + workers->lanes[URGENT].busy;
    workers->totals.busy += (double)(now - workers->busy_changed) * 1e-9 * busy;
    workers->busy_changed = now;
}

/* A thread's own niceness, on Linux, and that of the threads that it starts. */
static void lower_priority(void)
{
    if (getpriority(PRIO_PROCESS, (id_t)gettid()) < NICENESS)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
}

static void run_worker(void *context)
{
    struct lane *lane = context;
    struct workers *workers = lane->workers;
    if (lane == &workers->lanes[ORDINARY])
        lower_priority();
    uv_mutex_lock(&workers->mutex);
    for (;;) {
        while (!lane->waiting_head && !workers->stopping)
            uv_cond_wait(&lane->wake, &workers->mutex);
        if (workers->stopping)
            break;
        struct work *work = pop_waiting(lane);
        work->state = WORK_RUNNING;
        work->begun = true;
        count_busy_time(workers);
        lane->busy++;
        uv_mutex_unlock(&workers->mutex);
        enum work_outcome outcome = work->run(work);
        uv_mutex_lock(&workers->mutex);
        count_busy_time(workers);
        lane->busy--;
        workers->totals.sound += work->sound_seconds;
        workers->totals.spent += work->spent_seconds;
        settle(workers, work, outcome);
    }
    uv_mutex_unlock(&workers->mutex);
}

/* Returns the next delivery or NULL; `ended`: it is the work's last. */
static struct work *pop_delivery(struct workers *workers, bool *ended)
{
    uv_mutex_lock(&workers->mutex);
    struct work *work = workers->delivery_head;
    if (work) {
        workers->delivery_head = work->next_delivery;
        if (!workers->delivery_head)
            workers->delivery_tail = NULL;
        work->delivering = false;
        *ended = work->state == WORK_ENDED;
    }
    uv_mutex_unlock(&workers->mutex);
    return work;
}

static void deliver_all(uv_async_t *async)
{
    struct workers *workers = async->data;
    struct work *work;
    bool ended;
    while ((work = pop_delivery(workers, &ended))) {
        work->deliver(work);
        if (ended)
            work->ended(work);
    }
}

static int start_threads(struct lane *lane, unsigned count)
{
    lane->threads = calloc(count, sizeof(*lane->threads));
    if (!lane->threads)
        return -ENOMEM;
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_SIZE};
    while (lane->count < count) {
        int result = uv_thread_create_ex(&lane->threads[lane->count], &options, run_worker, lane);
        if (result < 0)
            return result;
        lane->count++;
    }
    return 0;
}

int workers_create(unsigned count, uv_loop_t *loop, struct workers **result)
{
    unsigned lanes = 0;
    if (count == 0)
        count = processor_count();
    struct workers *workers = calloc(1, sizeof(*workers));
    if (!workers)
        return -ENOMEM;
    int status = uv_mutex_init(&workers->mutex);
    if (status < 0)
        goto free_workers;
    for (; lanes < LANES; lanes++) {
        workers->lanes[lanes].workers = workers;
        status = uv_cond_init(&workers->lanes[lanes].wake);
        if (status < 0)
            goto destroy_conditions;
    }
    status = uv_async_init(loop, &workers->async, deliver_all);
    if (status < 0)
        goto destroy_conditions;
    workers->async.data = workers;
    for (unsigned i = 0; i < LANES && status == 0; i++)
        status = start_threads(&workers->lanes[i], count);
    if (status < 0) {
        workers_destroy(workers);
        return status;
    }
    *result = workers;
    return 0;

destroy_conditions:
    while (lanes > 0)
        uv_cond_destroy(&workers->lanes[--lanes].wake);
    uv_mutex_destroy(&workers->mutex);
free_workers:
    free(workers);
    return status;
}

static void free_pool(uv_handle_t *async)
{
    struct workers *workers = async->data;
    for (unsigned i = 0; i < LANES; i++) {
        uv_cond_destroy(&workers->lanes[i].wake);
        free(workers->lanes[i].threads);
    }
    uv_mutex_destroy(&workers->mutex);
    free(workers);
}

void workers_destroy(struct workers *workers)
{
    if (!workers)
        return;
    uv_mutex_lock(&workers->mutex);
    workers->stopping = true;
    for (unsigned i = 0; i < LANES; i++)
        uv_cond_broadcast(&workers->lanes[i].wake);
    uv_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < LANES; i++)
        for (unsigned k = 0; k < workers->lanes[i].count; k++)
            uv_thread_join(&workers->lanes[i].threads[k]);
    uv_close((uv_handle_t *)&workers->async, free_pool);
}

void workers_submit(struct workers *workers, struct work *work)
{
    uv_mutex_lock(&workers->mutex);
    if (work->state == WORK_IDLE)
        append_waiting(workers, work);
    else if (work->state == WORK_RUNNING)
        work->state = WORK_RUNNING_AGAIN;
    uv_mutex_unlock(&workers->mutex);
}

void workers_set_urgent(struct workers *workers, struct work *work, bool is_urgent)
{
    uv_mutex_lock(&workers->mutex);
    bool moves = work->state == WORK_WAITING && work->is_urgent != is_urgent;
    if (moves)
        remove_waiting(workers, work);
    work->is_urgent = is_urgent;
    if (moves)
        append_waiting(workers, work);
    uv_mutex_unlock(&workers->mutex);
}

bool workers_withdraw(struct workers *workers, struct work *work)
{
    uv_mutex_lock(&workers->mutex);
    bool withdrawn = !work->begun;
    if (withdrawn && work->state == WORK_WAITING)
        remove_waiting(workers, work);
    if (withdrawn)
        work->state = WORK_ENDED;
    uv_mutex_unlock(&workers->mutex);
    return withdrawn;
}

void workers_deliver(struct workers *workers, struct work *work)
{
    uv_mutex_lock(&workers->mutex);
    append_delivery(workers, work);
    uv_mutex_unlock(&workers->mutex);
}

unsigned workers_count(const struct workers *workers)
{
    return workers->lanes[ORDINARY].count;
}

struct work_load workers_load(struct workers *workers)
{
    uv_mutex_lock(&workers->mutex);
    const struct work_load load = {
        .busy = workers->lanes[ORDINARY].busy,
        .urgent_busy = workers->lanes[URGENT].busy,
        .waiting = workers->waiting,
    };
    uv_mutex_unlock(&workers->mutex);
    return load;
}

struct work_totals workers_totals(struct workers *workers)
{
    uv_mutex_lock(&workers->mutex);
    count_busy_time(workers);
    struct work_totals totals = workers->totals;
    uv_mutex_unlock(&workers->mutex);
    return totals;
}
