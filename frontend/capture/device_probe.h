// SPDX-License-Identifier: MIT
/*
 * Whether a device is there, without PortAudio, whose list of devices does not change while it
 * runs.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_DEVICE_PROBE_H
#define HEARKEN_FRONTEND_CAPTURE_DEVICE_PROBE_H

#include "frontend/capture/sound_system.h"

#include <pthread.h>
#include <stdatomic.h>

enum presence {
    PRESENCE_ABSENT, /* or in use by another program */
    PRESENCE_HERE,
    PRESENCE_UNKNOWN, /* of a sound system that is not ALSA */
};

/*
 * Asks ALSA to set the device up and lets it go again: a few milliseconds, with the pulse plugin a
 * stream that lives as long. With the sound system started, so that ALSA is quiet.
 */
enum presence device_presence(const struct device_identity *identity);

/* The question asked in a thread of its own: a sound server that hangs does not answer, and the
 * reader must notice even so that no sound comes. One at a time. */
struct device_probe {
    bool asked; /* there is a thread */
    pthread_t thread;
    struct device_identity identity;
    enum presence presence; /* once answered */
    atomic_bool answered;
};

/* Asks; `inquiry` is all zero before the first one. Errors: the system's. */
int device_probe_begin(struct device_probe *inquiry, const struct device_identity *identity);

/* Whether the answer is there; if so, it is in `presence`, and the next question can be asked. */
bool device_probe_take(struct device_probe *inquiry);

/* Waits for an answer, if one was asked for, and drops it. */
void device_probe_finish(struct device_probe *inquiry);

/* The ALSA card number and device number in the "(hw:1,0)" at the end of a name; false: none. */
bool capture_device_name_place(const char *name, int *card, int *device);

#endif
