// SPDX-License-Identifier: MIT
/*
 * Whether a device is there, without PortAudio, whose list of devices does not change while it
 * runs.
 */
#ifndef HEARKEN_FRONTEND_PRESENCE_H
#define HEARKEN_FRONTEND_PRESENCE_H

#include "devices.h"

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

/* The ALSA card number and device number in the "(hw:1,0)" at the end of a name; false: none. */
bool device_name_place(const char *name, int *card, int *device);

#endif
