// SPDX-License-Identifier: MIT
#ifndef HEARKEN_MODELS_FILE_UTF8_H
#define HEARKEN_MODELS_FILE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at the start of `text`, which is stored; 0 if there is no valid one. */
size_t utf8_decode(const char *text, size_t length, uint32_t *character);

/*
 * A terminated copy in which every byte that belongs to no valid character, and every zero byte,
 * is U+FFFD. Made with malloc; NULL: out of memory.
 */
char *utf8_repair(const char *bytes, size_t length);

#endif
