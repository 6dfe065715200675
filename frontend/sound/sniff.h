// SPDX-License-Identifier: MIT
/*
 * Recognises files that the library does not read itself: for hearken-decode, and for error
 * messages.
 */
#ifndef HEARKEN_FRONTEND_SOUND_SNIFF_H
#define HEARKEN_FRONTEND_SOUND_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sniffed {
    char name[64]; /* "an MP4 file", "text" … */
    bool sound;    /* may contain audio that hearken-decode can extract */
};

/* Detects the kind from a file's first bytes (512 suffice); false if it is unknown. */
bool sniff(const uint8_t *bytes, size_t size, struct sniffed *sniffed);

/* Names the codec of a WAV, CAF or Ogg file, for files that libsndfile rejects. */
bool sniff_codec(const uint8_t *bytes, size_t size, struct sniffed *sniffed);

#endif
