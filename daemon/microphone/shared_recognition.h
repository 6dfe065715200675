// SPDX-License-Identifier: MIT
/*
 * One recognition of the microphone's audio for all subscribers with the same options. It is a
 * request (request.h) that can be restarted without losing audio:
 *
 *     IDLE ── start ──> RUNNING ── end, restart, overload ──> ENDING ── request ended ──> IDLE
 *                          ^                                     |
 *                          +──── if it is to be restarted: ──────+
 *                                recognises the backlog first
 *
 * For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_MICROPHONE_SHARED_RECOGNITION_H
#define HEARKEN_DAEMON_MICROPHONE_SHARED_RECOGNITION_H

#include "daemon/recognition/service.h"

enum shared_recognition_state {
    RECOGNITION_IDLE,
    RECOGNITION_RUNNING,
    RECOGNITION_ENDING,
};

struct shared_recognition;

/* Never called from within a shared_recognition function. A callback must not destroy the
 * recognition. */
struct shared_recognition_listener {
    void (*segment)(void *context, struct shared_recognition *recognition,
                    const struct segment_message *segment);
    /* All segments before the last shared_recognition_end have been delivered. */
    void (*ended)(void *context, struct shared_recognition *recognition);
    /* The recognition is idle again. `code`: an error code of docs/protocol.md. */
    void (*failed)(void *context, struct shared_recognition *recognition, const char *code,
                   const char *problem);
};

struct shared_recognition {
    struct service *service;
    const struct shared_recognition_listener *listener;
    void *context;
    struct request_options options;
    char *custom_words; /* the options point to them */
    enum shared_recognition_state state;
    struct request *request;
    const struct served_model *model; /* of the request; may be freed: only to compare pointers */
    bool segment_open;
    bool restart_pending;   /* restart at the next pause */
    bool restart_after_end; /* start again with the backlog when the request has ended */
    bool end_after_restart; /* then end the restarted request too */
    float *backlog;         /* samples captured while the request ends */
    size_t backlog_count, backlog_capacity; /* samples */
    double backlog_start;                   /* time of the first sample */
    double captured_until;                  /* time after the last sample written */
    struct shared_recognition *next;        /* the owner's list */
};

/* NULL without memory. The service must outlive the recognition. */
struct shared_recognition *
shared_recognition_create(struct service *service, const struct request_options *options,
                          const struct shared_recognition_listener *listener, void *context);

/* Abandons a running request. */
void shared_recognition_destroy(struct shared_recognition *recognition);

/* Whether two sets of options give the same recognition, so that it can be shared. */
bool shared_recognition_matches(const struct request_options *a, const struct request_options *b);

/* Recognises the audio from `time` on. Errors: -ENOENT: the model is no longer configured;
 * -ENOMEM. */
int shared_recognition_start(struct shared_recognition *recognition, double time,
                             struct hearken_error *error);

/* The protocol's error code for a result of shared_recognition_start. */
const char *shared_recognition_error_code(int status);

/* Adds samples that begin at `time`. Audio beyond the queue's limit is dropped, with a warning in
 * the log. Errors: -ENOMEM. */
int shared_recognition_write(struct shared_recognition *recognition, const float *samples,
                             size_t count, double time);

/* Ends the current segment; `ended` follows. */
void shared_recognition_end(struct shared_recognition *recognition);

/* Restarts with the current model in the next pause between segments. */
void shared_recognition_restart(struct shared_recognition *recognition);

#endif
