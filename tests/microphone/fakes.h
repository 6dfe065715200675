// SPDX-License-Identifier: MIT
/*
 * What takes the place of daemon/microphone/microphone_thread.c and daemon/recognition/request.c in
 * this program: the linker finds these functions first, so that neither the daemon nor its headers
 * know of them. Nothing here has threads or takes time; what a microphone and a recogniser do, the
 * tests say.
 */
#ifndef HEARKEN_TESTS_MICROPHONE_FAKES_H
#define HEARKEN_TESTS_MICROPHONE_FAKES_H

#include "daemon/microphone/microphone_thread.h"
#include "daemon/recognition/request.h"

/* ---- The microphone ---- */

struct fake_microphone {
    int refuses; /* what the next open returns, if below 0 */
    bool differs;
    unsigned opened, told_to_close;
    bool is_open;
    const struct microphone_callbacks *callbacks;
    void *context;
};

struct fake_microphone *fake_microphone(void);

void microphone_tells(enum hearken_capture_event_type type);

/* Sound of so many samples, all 0.5. */
void microphone_hears(size_t count);

/* It has ended; NULL: as it was told to. */
void microphone_ends(const char *problem);

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
    bool no_memory; /* for the next one */
    bool no_room;   /* for what is written */
    unsigned created, abandoned;
    struct request *all[FAKE_REQUESTS]; /* in the order in which they were made; NULL: gone */
};

struct fake_requests *fake_requests(void);

/* That runs, and the only one; a failed test if there is none or another. */
struct request *only_request(void);

/* A segment from `start` of the microphone's time. */
void request_hears(struct request *request, const char *text, double start, bool final);
void request_hears_voice(struct request *request, bool started, double start);

/* It is gone afterwards. */
void request_finishes(struct request *request);
void request_fails(struct request *request, const char *problem);

/* Before each test. */
void fakes_reset(void);

#endif
