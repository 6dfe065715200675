// SPDX-License-Identifier: MIT
/*
 * The daemon's microphone: a thread that captures, and hands what it hears to the loop.
 *
 *     thread: hearken_capture_read ── queue (mutex) + uv_async ──> loop: `sound`, `event`
 *
 * All functions are for the loop's thread, which never waits for the sound system: opening and
 * closing are the thread's work too. There is one at a time, for there is one capture in a process.
 */
#ifndef HEARKEN_DAEMON_MICROPHONE_MICROPHONE_THREAD_H
#define HEARKEN_DAEMON_MICROPHONE_MICROPHONE_THREAD_H

#include "daemon/common/log.h"
#include "daemon/settings/settings.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct microphone_thread;

/* As struct hearken_capture_event, but of memory of its own. */
struct microphone_event {
    enum hearken_capture_event_type type;
    char device[256];
    char reason[256]; /* "": none */
    uint32_t rate, channels;
    uint64_t overruns;
    double lost_seconds;
};

/* Called on the loop. */
struct microphone_user {
    /* 16 kHz mono, -1..1. */
    void (*sound)(void *context, const float *samples, size_t count);
    void (*event)(void *context, const struct microphone_event *event);
    /* The last call of all; `problem` NULL: as asked for. The microphone is gone then. */
    void (*closed)(void *context, const char *problem);
};

/* Takes what [capture] says now. That there is no such device is told by `closed`. Errors:
 * libuv's. */
int microphone_thread_open(uv_loop_t *loop, const struct settings *settings, struct log *log,
                           const struct microphone_user *user, void *context,
                           struct microphone_thread **microphone);

/* Whether it was opened with other settings of the device. */
bool microphone_thread_differs(const struct microphone_thread *microphone,
                               const struct settings *settings);

/* Ends it; `closed` follows, and `sound` and `event` do not. */
void microphone_thread_close(struct microphone_thread *microphone);

#endif
