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

#endif
