// SPDX-License-Identifier: MIT
/*
 * What a file is that cannot be read as audio: for messages.
 */
#ifndef HEARKEN_FRONTEND_SNIFF_H
#define HEARKEN_FRONTEND_SNIFF_H

#include <stddef.h>
#include <stdint.h>

/* From its first bytes (64 say enough): "an MP4 file", "text" …; NULL if it looks like none of the
 * known. */
const char *sniff(const uint8_t *bytes, size_t size);

#endif
