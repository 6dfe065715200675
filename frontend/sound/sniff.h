// SPDX-License-Identifier: MIT
/*
 * What a file is that cannot be read as audio: for messages.
 */
#ifndef HEARKEN_FRONTEND_SOUND_SNIFF_H
#define HEARKEN_FRONTEND_SOUND_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sniffed {
    char name[64]; /* "an MP4 file", "text" … */
    bool sound;    /* a converter may get sound out of it */
};

/* From the first bytes of a file (512 say enough); false if it looks like none of the known. */
bool sniff(const uint8_t *bytes, size_t size, struct sniffed *sniffed);

/* The same for WAV, CAF and Ogg, whose codec is named: for files that libsndfile has refused. */
bool sniff_codec(const uint8_t *bytes, size_t size, struct sniffed *sniffed);

#endif
