// SPDX-License-Identifier: MIT
#include "daemon/recognition/workers.h"

#include <errno.h>
#include <stdlib.h>

/* The usual size. Backends keep arrays on the heap, but the libraries they call may need stack. */
#define STACK_SIZE ((size_t)8 * 1024 * 1024)

struct workers {
    unsigned count; /* of running threads */
    uv_thread_t *threads;
    uv_mutex_t mutex; /* guards all below and the private members of the works */
    uv_cond_t wake;
    bool stopping;
    unsigned busy, waiting;
    uint64_t busy_changed; /* uv_hrtime: `totals.busy` is as of then */
    struct work_totals totals;
    struct work *waiting_head, *waiting_tail;
    struct work *delivery_head, *delivery_tail;
    uv_async_t async;
};

static void append_waiting(struct workers *workers, struct work *work)
{
    work->state = WORK_WAITING;
    work->next_waiting = NULL;
    if (workers->waiting_tail)
        workers->waiting_tail->next_waiting = work;
    else
        workers->waiting_head = work;
    workers->waiting_tail = work;
    workers->waiting++;
    uv_cond_signal(&workers->wake);
}

static struct work *pop_waiting(struct workers *workers)
{
    struct work *work = workers->waiting_head;
    workers->waiting_head = work->next_waiting;
    if (!workers->waiting_head)
        workers->waiting_tail = NULL;
    workers->waiting--;
    return work;
}

static void remove_waiting(struct workers *workers, const struct work *work)
{
    struct work *previous = NULL;
    for (struct work *at = workers->waiting_head; at != work; at = at->next_waiting)
        previous = at;
    if (previous)
        previous->next_waiting = work->next_waiting;
    else
        workers->waiting_head = work->next_waiting;
    if (workers->waiting_tail == work)
        workers->waiting_tail = previous;
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

static void set_busy(struct workers *workers, unsigned busy)
{
    uint64_t now = uv_hrtime();
    workers->totals.busy += (double)(now - workers->busy_changed) * 1e-9 * workers->busy;
    workers->busy_changed = now;
    workers->busy = busy;
}

static void run_worker(void *context)
{
    struct workers *workers = context;
    uv_mutex_lock(&workers->mutex);
    for (;;) {
        while (!workers->waiting_head && !workers->stopping)
            uv_cond_wait(&workers->wake, &workers->mutex);
        if (workers->stopping)
            break;
        struct work *work = pop_waiting(workers);
        work->state = WORK_RUNNING;
        work->begun = true;
        set_busy(workers, workers->busy + 1);
        uv_mutex_unlock(&workers->mutex);
        enum work_outcome outcome = work->run(work);
        uv_mutex_lock(&workers->mutex);
        set_busy(workers, workers->busy - 1);
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

static int start_threads(struct workers *workers, unsigned count)
{
    workers->threads = calloc(count, sizeof(*workers->threads));
    if (!workers->threads)
        return -ENOMEM;
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_SIZE};
    while (workers->count < count) {
        int result =
            uv_thread_create_ex(&workers->threads[workers->count], &options, run_worker, workers);
        if (result < 0)
            return result;
        workers->count++;
    }
    return 0;
}

int workers_create(unsigned count, uv_loop_t *loop, struct workers **result)
{
    if (count == 0)
        count = uv_available_parallelism();
    struct workers *workers = calloc(1, sizeof(*workers));
    if (!workers)
        return -ENOMEM;
    int status = uv_mutex_init(&workers->mutex);
    if (status < 0)
        goto free_workers;
    status = uv_cond_init(&workers->wake);
    if (status < 0)
        goto destroy_mutex;
    status = uv_async_init(loop, &workers->async, deliver_all);
    if (status < 0)
        goto destroy_condition;
    workers->async.data = workers;
    status = start_threads(workers, count);
    if (status < 0) {
        workers_destroy(workers);
        return status;
    }
    *result = workers;
    return 0;

destroy_condition:
    uv_cond_destroy(&workers->wake);
destroy_mutex:
    uv_mutex_destroy(&workers->mutex);
free_workers:
    free(workers);
    return status;
}

static void free_pool(uv_handle_t *async)
{
    struct workers *workers = async->data;
    uv_cond_destroy(&workers->wake);
    uv_mutex_destroy(&workers->mutex);
    free(workers->threads);
    free(workers);
}

void workers_destroy(struct workers *workers)
{
    if (!workers)
        return;
    uv_mutex_lock(&workers->mutex);
    workers->stopping = true;
    uv_cond_broadcast(&workers->wake);
    uv_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        uv_thread_join(&workers->threads[i]);
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
    return workers->count;
}

void workers_load(struct workers *workers, unsigned *busy, unsigned *waiting)
{
    uv_mutex_lock(&workers->mutex);
    *busy = workers->busy;
    *waiting = workers->waiting;
    uv_mutex_unlock(&workers->mutex);
}

struct work_totals workers_totals(struct workers *workers)
{
    uv_mutex_lock(&workers->mutex);
    set_busy(workers, workers->busy);
    struct work_totals totals = workers->totals;
    uv_mutex_unlock(&workers->mutex);
    return totals;
}
