// SPDX-License-Identifier: MIT
#include "daemon/client/live/capture_message.h"

#include <inttypes.h>
#include <stdio.h>

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
        snprintf(line, size, "sound was lost %" PRIu64 " times so far, %.2f s of it unread",
                 event->overruns, event->lost_seconds);
        return;
    }
    snprintf(line, size, "event %d", (int)event->type);
}
