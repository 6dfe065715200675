// SPDX-License-Identifier: MIT
/*
 * Which device a capture listens to: the one chosen, the default as its substitute, or none.
 *
 * The capture asks often whether a change is due. That costs a look at the clock, and now and then
 * a question to ALSA (device_probe.h). The change itself restarts PortAudio. docs/capture.md draws
 * the states.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_DEVICE_FAILOVER_H
#define HEARKEN_FRONTEND_CAPTURE_DEVICE_FAILOVER_H

#include "frontend/capture/device_probe.h"
#include "frontend/capture/microphone.h"
#include "frontend/capture/sound_system.h"

enum device_failover_place {
    ATTACHED_NOWHERE,
    ATTACHED_TO_CHOSEN,
    ATTACHED_TO_SUBSTITUTE,
};

enum device_failover_due {
    DUE_NOTHING,
    DUE_LOSS,   /* the microphone gives no more sound, or that of another device; `reason` says
                 * why */
    DUE_RETURN, /* the chosen device is back, and the substitute can go */
    DUE_SEARCH, /* there is no microphone, and it is time to try again */
};

struct device_failover {
    struct microphone_wish wish;
    struct device_identity chosen, current; /* `current`: of the microphone, or of the last one */
    bool chosen_is_default;
    enum device_failover_place place;
    struct microphone *microphone; /* NULL: nowhere */
    const char *reason;            /* of the last loss */

    bool started;                /* PortAudio is */
    struct device_probe inquiry; /* about the chosen device */
    long long look_at;           /* when the devices are looked at again, monotonic milliseconds */
    long long restart_at;        /* nowhere: when PortAudio is restarted in any case */
    long long troubled_at;       /* when the microphone was first seen in trouble; 0: it is not */
    unsigned patience;           /* milliseconds between two looks for the chosen device */
    hearken_log_callback *log;
    void *log_context;
};

/* Claims the sound system and opens the device that the options name. Errors: as for
 * hearken_capture_open. */
int device_failover_init(struct device_failover *failover,
                         const struct hearken_capture_options *options, int wake,
                         struct hearken_error *error);

void device_failover_finish(struct device_failover *failover);

/* What should be done now. To be asked with nothing waiting in the microphone, so that a change
 * drops nothing. */
enum device_failover_due device_failover_due(struct device_failover *failover);

/* Closes the microphone, restarts PortAudio and opens the chosen device, else the default, else
 * none. */
void device_failover_change(struct device_failover *failover);

#endif
