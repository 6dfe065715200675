// SPDX-License-Identifier: MIT
/*
 * Continuous batching. A step of a speller with few rows takes as long as reading the weights, so
 * spellers that are ready at the same time step together and read them once. Each joins and leaves
 * between any two steps. A row has the same bits as if its speller had stepped alone.
 *
 * There is no thread of its own: one of the members that wait computes for all of them. All
 * functions may be called from any thread. A forked child, which has no copies of the other
 * threads, computes each step alone.
 */
#ifndef HEARKEN_MODELS_NETWORK_STEP_SCHEDULER_H
#define HEARKEN_MODELS_NETWORK_STEP_SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct step_scheduler;

/* Most rows of a batch, and so most members. */
#define STEP_MAX_ROWS 28u

/* ALONE: its batch had no room; it is to compute its step itself. */
enum step_state { STEP_IDLE, STEP_WAITING, STEP_RUNNING, STEP_ALONE, STEP_DONE };

/* What a speller needs to take part. All members but `context` are guarded by the scheduler's lock.
 */
struct step_member {
    void *context;
    pthread_cond_t changed;
    enum step_state state;
    bool is_spelling;                /* has stepped, and will again */
    uint32_t rows;                   /* of the step that waits */
    struct step_member *following;   /* in the line of those that wait */
    struct step_member *computed_by; /* whose memory holds the result; NULL: its own */
    uint32_t readers;                /* members whose result is in this one's memory */
};

/*
 * Computes one step of all members of a batch, in the memory of the first. False: there was not
 * enough memory for all of them together. Each member of a batch of several is then computed alone,
 * so that at most those fail that do not fit by themselves.
 */
typedef bool step_compute(void *const *contexts, uint32_t count);

/*
 * `threads`: batches that may be computed at the same time. A step waits at most `patience`
 * nanoseconds for others. Errors: -ENOMEM.
 */
int step_scheduler_create(unsigned threads, int64_t patience, struct step_scheduler **scheduler);
/* No member may be left. Accepts NULL. */
void step_scheduler_destroy(struct step_scheduler *scheduler);

/*
 * The calling thread begins and ends to encode sound, which keeps a processor busy. The others
 * compute batches.
 */
void step_scheduler_begin_encoding(struct step_scheduler *scheduler);
void step_scheduler_end_encoding(struct step_scheduler *scheduler);

void step_member_init(struct step_member *member, void *context);
/* After step_scheduler_rest. */
void step_member_finish(struct step_scheduler *scheduler, struct step_member *member);

/*
 * Has one step of `member`, of `rows` ≤ STEP_MAX_ROWS rows, computed, by itself or by another
 * member. The result is valid until this member's next step or rest.
 */
void step_scheduler_step(struct step_scheduler *scheduler, struct step_member *member,
                         uint32_t rows, step_compute *compute);

/*
 * No further step follows for now. Waits until others have read what `member` computed for them,
 * so that its memory may be written. Does nothing if it has not stepped.
 */
void step_scheduler_rest(struct step_scheduler *scheduler, struct step_member *member);

#endif
