// SPDX-License-Identifier: MIT
/*
 * One recognition of what the microphone gives, for all subscribers who ask for the same. It is a
 * request (request.h) that can be begun again, without a gap:
 *
 *     IDLE ── start ──> RUNNING ── end, renew, overload ──> ENDING ── the request is over ──> IDLE
 *                          ^                                                                   |
 *                          +──── start was called meanwhile: sound has been kept for it ───────+
 *
 * For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_MICROPHONE_SHARED_RECOGNITION_H
#define HEARKEN_DAEMON_MICROPHONE_SHARED_RECOGNITION_H

#include "daemon/recognition/service.h"

enum shared_recognition_state {
    HEARING_IDLE,
    HEARING_RUNNING,
    HEARING_ENDING,
};

struct shared_recognition;

/* None of these is called from within a function of the hearing, and none may destroy it. */
struct shared_recognition_listener {
    void (*segment)(void *context, struct shared_recognition *hearing,
                    const struct heard_segment *segment);
    /* What `end` has ended is told completely. */
    void (*ended)(void *context, struct shared_recognition *hearing);
    /* It is idle again; `code` as in docs/protocol.md. */
    void (*failed)(void *context, struct shared_recognition *hearing, const char *code,
                   const char *problem);
};

struct shared_recognition {
    struct service *service;
    const struct shared_recognition_listener *listener;
    void *context;
    struct request_options options;
    char *words; /* custom words, which the options refer to */
    enum shared_recognition_state state;
    struct request *request;
    const struct served_model *model; /* of the request, to be compared only */
    bool open;                        /* a segment is */
    bool renewed;                     /* to be begun again at the next pause */
    bool again;                       /* when it has ended, begin again with what is kept */
    bool then_end;                    /* and end that too */
    float *kept;
    size_t kept_count, kept_room;    /* samples */
    double kept_from;                /* time of the first */
    double until;                    /* time of the microphone up to which sound has come */
    struct shared_recognition *next; /* the owner's list */
};

/* NULL without memory. The service must outlive it. */
struct shared_recognition *
shared_recognition_create(struct service *service, const struct request_options *options,
                          const struct shared_recognition_listener *listener, void *context);

/* Abandons what runs. */
void shared_recognition_destroy(struct shared_recognition *hearing);

/* Whether two requests would be recognised alike. */
bool shared_recognition_matches(const struct request_options *a, const struct request_options *b);

/* Hears from now on, at `time` of the microphone. Errors: -ENOENT: there is no such model any more;
 * -ENOMEM. */
int shared_recognition_start(struct shared_recognition *hearing, double time,
                             struct hearken_error *error);

/* What the protocol calls such an error. */
const char *hearing_error_code(int status);

/* Sound that begins at `time`. What a recogniser that is too slow has no time for is lost, with a
 * line in the log. Errors: -ENOMEM. */
int shared_recognition_write(struct shared_recognition *hearing, const float *samples, size_t count,
                             double time);

/* The segment ends here; `ended` follows. */
void shared_recognition_end(struct shared_recognition *hearing);

/* Begins again, with the model in force, as soon as nobody speaks. */
void shared_recognition_restart(struct shared_recognition *hearing);

#endif
