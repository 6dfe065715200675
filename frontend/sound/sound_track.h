// SPDX-License-Identifier: MIT
/* What a recording's header says of one track of sound. */
#ifndef HEARKEN_FRONTEND_SOUND_SOUND_TRACK_H
#define HEARKEN_FRONTEND_SOUND_SOUND_TRACK_H

#include <stdint.h>

/* Texts end with 0; "": unknown. */
struct sound_track {
    double seconds; /* as the container states; negative: unknown */
    uint32_t rate, channels;
    uint32_t chosen; /* 1: this is the one that is decoded */
    char container[64];
    char codec[64];
    char language[16]; /* as the container has it, such as "eng" */
};

#endif
