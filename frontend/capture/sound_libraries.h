// SPDX-License-Identifier: MIT
/* For builds that are not linked with PortAudio and ALSA (PORTAUDIO=load): their functions are
 * found when sound is captured, if they are installed. */
#ifndef HEARKEN_FRONTEND_CAPTURE_SOUND_LIBRARIES_H
#define HEARKEN_FRONTEND_CAPTURE_SOUND_LIBRARIES_H

#include <hearken/hearken.h>

/* Errors: -EIO with the name of the library that is not installed. */
int sound_libraries_load(struct hearken_error *error);

#endif
