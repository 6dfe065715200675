// SPDX-License-Identifier: MIT
/*
 * Checks whether a device is present, without PortAudio, whose list of devices does not change
 * while it runs.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_DEVICE_PROBE_H
#define HEARKEN_FRONTEND_CAPTURE_DEVICE_PROBE_H

#include "frontend/capture/sound_system.h"

#include <pthread.h>
#include <stdatomic.h>

enum presence {
    PRESENCE_ABSENT, /* or in use by another program */
    PRESENCE_PRESENT,
    PRESENCE_UNKNOWN, /* of a sound system that is not ALSA */
};

/*
 * Opens the device through ALSA, sets parameters and closes it: a few milliseconds. With the pulse
 * plugin this makes a short-lived stream. Call it with the sound system started, so that ALSA
 * prints no errors.
 */
enum presence device_presence(const struct device_identity *identity);

/* device_presence() in a thread of its own, one call at a time: it blocks while a sound server
 * hangs, and the reader must still notice that its stream has failed. */
struct device_probe {
    bool running; /* the thread exists; reader's thread only */
    pthread_t thread;
    struct device_identity identity;
    enum presence presence; /* valid once `done` */
    atomic_bool done;
};

/* Starts a probe; `probe` is all zeros before the first one. Errors: the system's. */
int device_probe_begin(struct device_probe *probe, const struct device_identity *identity);

/* True if the probe has finished: its result is in `presence`, and the next one may begin. */
bool device_probe_collect(struct device_probe *probe);

/* Waits for a running probe and discards its result. */
void device_probe_finish(struct device_probe *probe);

/* The ALSA card number and device number in the "(hw:1,0)" at the end of a name; false: none. */
bool capture_device_name_place(const char *name, int *card, int *device);

#endif
