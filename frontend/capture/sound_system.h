// SPDX-License-Identifier: MIT
/*
 * PortAudio as a process has it: once. Its functions are not for two threads at once, its list of
 * devices is made when it is started and stays as it is; so whoever calls it holds the lock below,
 * and whoever wants a new list stops and starts it.
 *
 * While it is started, ALSA and JACK do not write their complaints to standard error: they print
 * some for every device that is not there.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_SOUND_SYSTEM_H
#define HEARKEN_FRONTEND_CAPTURE_SOUND_SYSTEM_H

#include <hearken/hearken.h>

void sound_system_lock(void);
void sound_system_unlock(void);

/* With the lock. Starts nest; each that succeeds is met by a stop. Errors: -EIO. */
int sound_system_start(struct hearken_error *error);
void sound_system_stop(void);

/* With the lock. The right to have a stream, which only one in the process holds, so that it may
 * restart the system. Errors: -EBUSY. */
int sound_system_claim(struct hearken_error *error);
void sound_system_release(void);

/* What a device is known by from one start of PortAudio to the next. */
struct device_identity {
    char name[256]; /* as PortAudio has it, cut off if it is longer */
    int system;     /* PaHostApiTypeId */
};

/*
 * The index of the device that a user means: NULL, "" or "default", an index, a whole name, or a
 * part of one (letters of any case; the first that matches). Errors: -ENODEV, with a message that
 * names the devices that there are.
 */
int capture_device_choose(const char *text, struct hearken_error *error);

/* The index of the default input; -ENODEV if there is none. */
int capture_device_default(void);

/* The index of the device that goes by that name now; -ENODEV if it is not there. */
int capture_device_find(const struct device_identity *identity);

void capture_device_identify(int index, struct device_identity *identity);

/* Whether `text` asks for the default device. */
bool capture_device_text_is_default(const char *text);

/* Length of a name without the place " (hw:1,0)" that ALSA's cards have at its end, for a card may
 * come back at another one. */
size_t capture_device_name_length(const char *name);

#endif
