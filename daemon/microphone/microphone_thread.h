// SPDX-License-Identifier: MIT
/*
 * The thread that captures from the daemon's microphone and passes the audio to the loop.
 *
 *     thread: hearken_capture_read ── queue (mutex) + uv_async ──> loop: `samples`, `event`
 *
 * All functions are for the loop's thread. Opening and closing a device may block, so the capture
 * thread does both. Only one may be open at a time: a process can have one capture.
 */
#ifndef HEARKEN_DAEMON_MICROPHONE_MICROPHONE_THREAD_H
#define HEARKEN_DAEMON_MICROPHONE_MICROPHONE_THREAD_H

#include "daemon/common/log.h"
#include "daemon/settings/settings.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct microphone_thread;

/* A struct hearken_capture_event that owns its texts. */
struct microphone_event {
    enum hearken_capture_event_type type;
    char device[256];
    char reason[256]; /* "": none */
    uint32_t rate, channels;
    uint64_t overruns;
    double lost_seconds;
};

/* Called on the loop. */
struct microphone_callbacks {
    /* 16 kHz mono, -1..1. */
    void (*samples)(void *context, const float *samples, size_t count);
    void (*event)(void *context, const struct microphone_event *event);
    /* The last callback; the microphone is freed. `problem` is NULL after
     * microphone_thread_close. */
    void (*closed)(void *context, const char *problem);
};

/* Starts capturing with the [capture] settings as they are now. A device that cannot be opened is
 * reported by `closed`. Errors: libuv's. */
int microphone_thread_open(uv_loop_t *loop, const struct settings *settings, struct log *log,
                           const struct microphone_callbacks *callbacks, void *context,
                           struct microphone_thread **microphone);

/* Whether these settings need another device, or the device opened differently. */
bool microphone_thread_differs(const struct microphone_thread *microphone,
                               const struct settings *settings);

/* Stops capturing: `closed` follows, without further `samples` or `event`. */
void microphone_thread_close(struct microphone_thread *microphone);

#endif
