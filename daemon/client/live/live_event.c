// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_event.h"

#include "daemon/client/program/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/signalfd.h>

int live_wait_open_resize(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

bool live_wait_is_due(int descriptor)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

bool live_wait_consume(int descriptor)
{
    bool due = live_wait_is_due(descriptor);
    if (due)
        signals_read(descriptor);
    return due;
}

static void name_device(const struct hearken_capture_event *event, const char *before, char *line,
                        size_t size)
{
    snprintf(line, size, "%s%s (%u Hz, %u channel%s)", before, event->device, (unsigned)event->rate,
             (unsigned)event->channels, event->channels == 1 ? "" : "s");
}

void capture_message(const struct hearken_capture_event *event, char *line, size_t size)
{
    switch (event->type) {
    case HEARKEN_CAPTURE_STARTED:
        name_device(event, "listening to ", line, size);
        return;
    case HEARKEN_CAPTURE_LOST:
        snprintf(line, size, "lost %s: %s", event->device, event->reason);
        return;
    case HEARKEN_CAPTURE_FELL_BACK:
        name_device(event, "listening to the default meanwhile, ", line, size);
        return;
    case HEARKEN_CAPTURE_RETURNED:
        name_device(event, "listening again to ", line, size);
        return;
    case HEARKEN_CAPTURE_OVERRUN:
        snprintf(line, size, "audio was lost %" PRIu64 " times so far, %.2f s of it unread",
                 event->overruns, event->lost_seconds);
        return;
    }
    snprintf(line, size, "event %d", (int)event->type);
}
