// SPDX-License-Identifier: MIT
/*
 * A pool of threads for what would keep the loop waiting: recognition, and opening models.
 *
 * A `work` is something that has more to do from time to time. Submitting it makes a worker run it;
 * no two workers run the same one at once, and one that has more to do goes behind the others, so
 * that all get their turn. What it has to tell it delivers to the loop.
 *
 *              submit                 a worker is free           WORK_REST
 *     RESTING --------> WAITING -------------------> RUNNING --------------> RESTING
 *                          ^                            |   WORK_END
 *                          +----------------------------+--------------> ENDED, then `ended`
 *                       WORK_AGAIN, or submitted meanwhile                  on the loop
 */
#ifndef HEARKEN_DAEMON_RECOGNITION_WORKERS_H
#define HEARKEN_DAEMON_RECOGNITION_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum work_outcome {
    WORK_REST,  /* nothing to do until it is submitted again */
    WORK_AGAIN, /* more to do, after the others */
    WORK_END,   /* never again */
};

enum work_state {
    WORK_RESTING,
    WORK_WAITING,
    WORK_RUNNING,
    WORK_RUNNING_AGAIN, /* submitted while it ran */
    WORK_ENDED,
};

struct work {
    enum work_outcome (*run)(struct work *work); /* in a worker */
    void (*deliver)(struct work *work);          /* on the loop */
    void (*ended)(struct work *work); /* on the loop, the last thing done with it: may free it */

    /* For workers.c only; zeros at the start. */
    enum work_state state;
    bool begun; /* a worker has had it */
    bool delivering;
    struct work *next_waiting, *next_delivery;
};

struct workers;

/* Starts `count` threads, 0: one for each processor. `loop` must outlive the pool. Errors: from
 * the system. */
int workers_create(unsigned count, uv_loop_t *loop, struct workers **workers);

/* Joins the threads, which finish what they run first, and frees the pool; what waits is dropped.
 * To be called on the loop, which must run once more afterwards; no delivery comes any more. */
void workers_destroy(struct workers *workers);

/* From any thread. Nothing happens to a work that waits already or has ended. */
void workers_submit(struct workers *workers, struct work *work);

/* Takes a work that no worker has had yet out of the pool: true, and nothing more happens to it,
 * `ended` neither. False: it goes on as before. */
bool workers_withdraw(struct workers *workers, struct work *work);

/* From any thread: makes the loop call work->deliver soon. Calls that come before it does so are
 * one. */
void workers_deliver(struct workers *workers, struct work *work);

unsigned workers_count(const struct workers *workers);

/* How many run something, and how many works wait. */
void workers_load(struct workers *workers, unsigned *busy, unsigned *waiting);

#endif
