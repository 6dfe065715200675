// SPDX-License-Identifier: MIT
/* Whether a recording was cut off, for the containers whose readers do not tell. */
#ifndef HEARKEN_FRONTEND_SOUND_STATED_SIZE_H
#define HEARKEN_FRONTEND_SOUND_STATED_SIZE_H

#include "frontend/sound/decoder.h"

/* True if the header of a WAV, W64, AIFF, AU or CAF file states more bytes of samples than there
 * are. Moves the decoder's input, which is regular. */
bool stated_size_is_missed(struct decoder *decoder);

#endif
