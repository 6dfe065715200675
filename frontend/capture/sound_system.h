// SPDX-License-Identifier: MIT
/*
 * Access to PortAudio, whose state is global to the process. Its functions are not thread-safe:
 * callers hold the lock below. Its list of devices is made at the start and never updated: for a
 * new list, stop and start it.
 *
 * While it is started, ALSA and JACK print no errors to standard error; otherwise they print some
 * for every absent device.
 */
#ifndef HEARKEN_FRONTEND_CAPTURE_SOUND_SYSTEM_H
#define HEARKEN_FRONTEND_CAPTURE_SOUND_SYSTEM_H

#include <hearken/hearken.h>

void sound_system_lock(void);
void sound_system_unlock(void);

/* Lock held. Starts nest: each successful start needs a stop. Errors: -EIO. */
int sound_system_start(struct hearken_error *error);
void sound_system_stop(void);

/* Lock held. Claims the right to open streams. Only one capture in the process has it, so that it
 * may restart PortAudio at any time. Errors: -EBUSY. */
int sound_system_claim(struct hearken_error *error);
void sound_system_release(void);

/* Identifies a device across restarts of PortAudio, which renumber the devices. */
struct device_identity {
    char name[256]; /* PortAudio's, truncated */
    int system;     /* PaHostApiTypeId */
};

/*
 * The index of the device that `text` selects: the default (NULL, "" or "default"), an index, a
 * whole name, or a part of a name (ignoring case; the first match). Errors: -ENODEV, with a message
 * that lists the devices.
 */
int capture_device_choose(const char *text, struct hearken_error *error);

/* The index of the default input; -ENODEV if there is none. */
int capture_device_default(void);

/* The current index of that device; -ENODEV if it is absent. */
int capture_device_find(const struct device_identity *identity);

void capture_device_identify(int index, struct device_identity *identity);

/* Whether `text` asks for the default device. */
bool capture_device_text_is_default(const char *text);

/* Length of a name without the suffix " (hw:1,0)" of ALSA's cards: a card may get another number
 * when it is plugged in again. */
size_t capture_device_name_length(const char *name);

#endif
