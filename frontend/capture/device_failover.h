// SPDX-License-Identifier: MIT
/*
 * Selects the device that a capture reads: the chosen one, the default as its substitute, or none.
 *
 * The capture polls device_failover_due(), which reads the clock and at intervals probes the chosen
 * device through ALSA (device_probe.h). A change restarts PortAudio. docs/capture.md draws the
 * states.
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
    DUE_LOSS,   /* the stream has failed or was moved to another device: see `reason` */
    DUE_RETURN, /* the chosen device is back and replaces the substitute */
    DUE_SEARCH, /* no device is open, and it is time to try again */
};

struct device_failover {
    struct microphone_options options;
    struct device_identity chosen, current; /* `current`: of the open or the last microphone */
    bool chosen_is_default;
    enum device_failover_place place;
    struct microphone *microphone; /* NULL: none is open */
    const char *reason;            /* of the last loss */

    bool started;              /* PortAudio runs */
    struct device_probe probe; /* about the chosen device */
    long long probe_at;        /* when the devices are looked at again, monotonic milliseconds */
    long long restart_at;      /* nowhere: when PortAudio is restarted in any case */
    long long failing_since;   /* when the microphone was first seen in trouble; 0: it is not */
    unsigned search_interval;  /* milliseconds between two looks for the chosen device */
    hearken_log_callback *log;
    void *log_context;
};

/* Claims the sound system and opens the device that the options name. Errors: as for
 * hearken_capture_open. */
int device_failover_init(struct device_failover *failover,
                         const struct hearken_capture_options *options, int wake,
                         struct hearken_error *error);

void device_failover_finish(struct device_failover *failover);

/* The change that is due now. Call it only when the microphone's ring is empty, or a change would
 * drop samples. */
enum device_failover_due device_failover_due(struct device_failover *failover);

/* Closes the microphone, restarts PortAudio and opens the chosen device, else the default, else
 * none. */
void device_failover_change(struct device_failover *failover);

#endif
