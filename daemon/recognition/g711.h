// SPDX-License-Identifier: MIT
/* G.711, the telephone's encoding: eight bits a sample, to linear samples of 16 bits. */
#ifndef HEARKEN_DAEMON_RECOGNITION_G711_H
#define HEARKEN_DAEMON_RECOGNITION_G711_H

#include <stdint.h>

int16_t g711_from_mulaw(uint8_t code);
int16_t g711_from_alaw(uint8_t code);

#endif
