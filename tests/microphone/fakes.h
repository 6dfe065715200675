// SPDX-License-Identifier: MIT
/*
 * Replacements of daemon/microphone/microphone_thread.c and daemon/recognition/request.c: the
 * linker finds these functions first. They have no threads; the tests decide what the microphone
 * and the recogniser do.
 */
#ifndef HEARKEN_TESTS_MICROPHONE_FAKES_H
#define HEARKEN_TESTS_MICROPHONE_FAKES_H

#include "daemon/microphone/microphone_thread.h"
#include "daemon/recognition/request.h"

/* ---- The microphone ---- */

struct fake_microphone {
    int refuses; /* what the next open returns, if below 0 */
    bool differs;
    unsigned opened, close_calls;
    bool is_open;
    const struct microphone_callbacks *callbacks;
    void *context;
};

struct fake_microphone *fake_microphone(void);

void microphone_reports(enum hearken_capture_event_type type);

/* Delivers `count` samples of 0.5. */
void microphone_captures(size_t count);

/* `problem` NULL: closed as requested. */
void microphone_closes(const char *problem);

/* ---- Recognition ---- */

#define FAKE_REQUESTS 16

struct request {
    const struct request_listener *listener;
    void *context;
    struct request_options options;
    struct served_model *model;
    size_t samples; /* that were written */
    bool ended, full;
};

struct fake_requests {
    bool no_memory; /* for the next request */
    bool no_room;   /* for the next write */
    unsigned created, abandoned;
    struct request *all[FAKE_REQUESTS]; /* in the order of creation; NULL: freed */
};

struct fake_requests *fake_requests(void);

/* The running request; the test fails unless there is exactly one. */
struct request *only_request(void);

/* Reports a segment that starts at `start`. */
void request_reports(struct request *request, const char *text, double start, bool final);
void request_reports_voice(struct request *request, bool started, double start);

/* Frees the request. */
void request_finishes(struct request *request);
void request_fails(struct request *request, const char *problem);

/* Before each test. */
void fakes_reset(void);

#endif
