// SPDX-License-Identifier: MIT
#include "models/network/step_scheduler.h"

#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct step_scheduler {
    pthread_mutex_t lock;
    pid_t process;
    unsigned threads;
    int64_t patience;                     /* nanoseconds */
    unsigned encoding, spelling;          /* threads, members; guarded by lock, as the next ones */
    struct step_member *first;            /* the line of those that wait, the oldest first */
    uint32_t waiting_count, waiting_rows; /* in that line */
};

static bool is_forked(const struct step_scheduler *scheduler)
{
    return getpid() != scheduler->process;
}

/* ---- Life ---- */

int step_scheduler_create(unsigned threads, int64_t patience, struct step_scheduler **scheduler)
{
    struct step_scheduler *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    s->process = getpid();
    s->threads = threads;
    s->patience = patience;
    *scheduler = s;
    return 0;
}

void step_scheduler_destroy(struct step_scheduler *scheduler)
{
    if (!scheduler)
        return;
    if (!is_forked(scheduler))
        pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

void step_member_init(struct step_member *member, void *context)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    *member = (struct step_member){.context = context};
    pthread_cond_init(&member->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* A forked child must not wait for threads that it does not have. */
void step_member_finish(struct step_scheduler *scheduler, struct step_member *member)
{
    if (!is_forked(scheduler))
        pthread_cond_destroy(&member->changed);
}

/* ---- The line; lock held ---- */

static void append(struct step_scheduler *s, struct step_member *member)
{
    struct step_member **at = &s->first;
    while (*at)
        at = &(*at)->following;
    *at = member;
    member->following = NULL;
    member->state = STEP_WAITING;
    s->waiting_count++;
    s->waiting_rows += member->rows;
}

static void take_out(struct step_scheduler *s, struct step_member *member)
{
    struct step_member **at = &s->first;
    while (*at != member)
        at = &(*at)->following;
    *at = member->following;
    member->state = STEP_RUNNING;
    s->waiting_count--;
    s->waiting_rows -= member->rows;
}

/*
 * Whether a batch of those that wait is worth computing now. The members that spell are divided
 * among the processors that do not encode.
 */
static bool is_due(const struct step_scheduler *s)
{
    unsigned batches = s->threads > s->encoding ? s->threads - s->encoding : 1;
    return s->waiting_count >= s->spelling / batches || s->waiting_rows >= STEP_MAX_ROWS;
}

/* Lets the oldest that can compute look whether a batch is due. */
static void wake_first(struct step_scheduler *s)
{
    struct step_member *member = s->first;
    while (member && member->readers > 0)
        member = member->following;
    if (member)
        pthread_cond_signal(&member->changed);
}

/* `member` has read its result. */
static void release_result(struct step_member *member)
{
    struct step_member *owner = member->computed_by;
    member->computed_by = NULL;
    if (owner && --owner->readers == 0)
        pthread_cond_signal(&owner->changed);
}

/* ---- Batches ---- */

/* Takes `member` and the oldest others that fit out of the line. Lock held. Returns their number.
 */
static uint32_t take_batch(struct step_scheduler *s, struct step_member *member,
                           struct step_member *batch[STEP_MAX_ROWS])
{
    uint32_t count = 1, rows = member->rows;
    batch[0] = member;
    take_out(s, member);
    for (struct step_member *other = s->first, *following; other; other = following) {
        following = other->following;
        if (rows + other->rows > STEP_MAX_ROWS)
            continue;
        rows += other->rows;
        batch[count++] = other;
        take_out(s, other);
    }
    return count;
}

/* Computes a batch for `member` and others. Lock held on entry and return. */
static void run_batch(struct step_scheduler *s, struct step_member *member, step_compute *compute)
{
    struct step_member *batch[STEP_MAX_ROWS];
    void *contexts[STEP_MAX_ROWS];
    uint32_t count = take_batch(s, member, batch);
    for (uint32_t i = 0; i < count; i++)
        contexts[i] = batch[i]->context;
    pthread_mutex_unlock(&s->lock);
    bool is_done = compute(contexts, count) || count == 1;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < count; i++)
        batch[i]->state = is_done ? STEP_DONE : STEP_ALONE;
    for (uint32_t i = 1; i < count; i++) {
        batch[i]->computed_by = is_done ? member : NULL;
        member->readers += is_done;
        pthread_cond_signal(&batch[i]->changed);
    }
    wake_first(s);
}

/* Lock held on entry and return. */
static void run_alone(struct step_scheduler *s, struct step_member *member, step_compute *compute)
{
    pthread_mutex_unlock(&s->lock);
    compute(&(void *){member->context}, 1);
    pthread_mutex_lock(&s->lock);
    member->state = STEP_DONE;
}

/* Waits until something changes, or, where `member` may compute, until `deadline`. Lock held. */
static void wait_for_change(struct step_scheduler *s, struct step_member *member, int64_t deadline)
{
    if (member->state != STEP_WAITING || member->readers > 0) {
        pthread_cond_wait(&member->changed, &s->lock);
        return;
    }
    const struct timespec until = {
        .tv_sec = (time_t)(deadline / INT64_C(1000000000)),
        .tv_nsec = (long)(deadline % INT64_C(1000000000)),
    };
    pthread_cond_timedwait(&member->changed, &s->lock, &until);
}

void step_scheduler_step(struct step_scheduler *scheduler, struct step_member *member,
                         uint32_t rows, step_compute *compute)
{
    struct step_scheduler *s = scheduler;
    if (is_forked(s)) {
        compute(&(void *){member->context}, 1);
        return;
    }
    pthread_mutex_lock(&s->lock);
    release_result(member);
    s->spelling += !member->is_spelling;
    member->is_spelling = true;
    member->rows = rows;
    append(s, member);
    const int64_t deadline = clock_nanoseconds() + s->patience;
    while (member->state != STEP_DONE) {
        bool starts =
            member->state == STEP_WAITING && (is_due(s) || clock_nanoseconds() >= deadline);
        if (member->state == STEP_ALONE && member->readers == 0) {
            run_alone(s, member, compute);
        } else if (starts && member->readers == 0) {
            run_batch(s, member, compute);
        } else {
            if (starts)
                wake_first(s);
            wait_for_change(s, member, deadline);
        }
    }
    member->state = STEP_IDLE;
    pthread_mutex_unlock(&s->lock);
}

void step_scheduler_rest(struct step_scheduler *scheduler, struct step_member *member)
{
    struct step_scheduler *s = scheduler;
    if (is_forked(s))
        return;
    pthread_mutex_lock(&s->lock);
    release_result(member);
    s->spelling -= member->is_spelling;
    member->is_spelling = false;
    wake_first(s);
    while (member->readers > 0)
        pthread_cond_wait(&member->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* ---- Encoding ---- */

void step_scheduler_begin_encoding(struct step_scheduler *scheduler)
{
    if (is_forked(scheduler))
        return;
    pthread_mutex_lock(&scheduler->lock);
    scheduler->encoding++;
    pthread_mutex_unlock(&scheduler->lock);
}

void step_scheduler_end_encoding(struct step_scheduler *scheduler)
{
    if (is_forked(scheduler))
        return;
    pthread_mutex_lock(&scheduler->lock);
    scheduler->encoding--;
    pthread_mutex_unlock(&scheduler->lock);
}
