// SPDX-License-Identifier: MIT
/*
 * A pool of threads for work that would block the loop: recognition.
 *
 * A `work` is submitted whenever it has something to do. A worker then runs it; no two workers run
 * the same one at once. A work that is not done is queued again behind the others, so that all get
 * their turn. It passes results to the loop by workers_deliver.
 *
 * Urgent works have workers of their own, since a turn of a file may take seconds. The others run
 * at a lower priority.
 *
 *           submit                 a worker is free         WORK_SUSPEND
 *     IDLE --------> WAITING -------------------> RUNNING --------------> IDLE
 *                       ^                            |   WORK_END
 *                       +----------------------------+--------------> ENDED, then `ended`
 *                    WORK_AGAIN, or submitted meanwhile                  on the loop
 */
#ifndef HEARKEN_DAEMON_RECOGNITION_WORKERS_H
#define HEARKEN_DAEMON_RECOGNITION_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum work_outcome {
    WORK_SUSPEND, /* idle until it is submitted again */
    WORK_AGAIN,   /* not done: run it again after the others */
    WORK_END,     /* done for good */
};

enum work_state {
    WORK_IDLE,
    WORK_WAITING,
    WORK_RUNNING,
    WORK_RUNNING_AGAIN, /* submitted while it ran */
    WORK_ENDED,
};

struct work {
    enum work_outcome (*run)(struct work *work); /* in a worker */
    void (*deliver)(struct work *work);          /* on the loop */
    void (*ended)(struct work *work);            /* on the loop, the last callback: may free it */
    bool is_urgent;                              /* somebody waits for every turn of it; once it
                                                    is submitted: workers_set_urgent */

    /* Set by `run`, in seconds: sound that it recognised, and the time that this took. */
    double sound_seconds, spent_seconds;

    /* For workers.c only; zeros at the start. */
    enum work_state state;
    bool begun;      /* a worker has run it */
    bool delivering; /* in the queue of deliveries */
    struct work *next_waiting, *next_delivery;
};

struct workers;

/* Starts `count` threads for urgent works and as many for the others; 0: one per processor. `loop`
 * must outlive the pool. Errors: the system's. */
int workers_create(unsigned count, uv_loop_t *loop, struct workers **workers);

/* Joins the threads once they have finished what they run, drops what waits, and frees the pool.
 * To be called on the loop, which must run once more afterwards. Nothing is delivered any more. */
void workers_destroy(struct workers *workers);

/* From any thread. Does nothing to a work that is waiting or has ended. */
void workers_submit(struct workers *workers, struct work *work);

/* From any thread. A turn that has begun ends where it is. */
void workers_set_urgent(struct workers *workers, struct work *work, bool is_urgent);

/* Removes a work that no worker has run yet: returns true, and no callback is called any more, not
 * even `ended`. Otherwise returns false and changes nothing. */
bool workers_withdraw(struct workers *workers, struct work *work);

/* From any thread: makes the loop call work->deliver. Several calls may result in one. */
void workers_deliver(struct workers *workers, struct work *work);

/* Of one kind. */
unsigned workers_count(const struct workers *workers);

struct work_load {
    unsigned busy, urgent_busy; /* workers of each kind, at most workers_count */
    unsigned waiting;           /* works of both */
};

struct work_load workers_load(struct workers *workers);

/* Since the start, in seconds. */
struct work_totals {
    double busy;         /* of all workers together, up to now */
    double sound, spent; /* of the works that said so, up to their last turns */
};

struct work_totals workers_totals(struct workers *workers);

#endif
