// SPDX-License-Identifier: MIT
#ifndef HEARKEN_INTERNAL_UTF8_H
#define HEARKEN_INTERNAL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the character at the start of `text`, which is stored; 0 if there is no valid one. */
static inline size_t utf8_decode(const char *text, size_t length, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* of so many bytes */
    if (length == 0)
        return 0;
    uint8_t first = (uint8_t)text[0];
    if (first < 0x80) {
        *character = first;
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length < size)
        return 0;
    uint32_t value = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        uint8_t next = (uint8_t)text[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3f);
    }
    if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *character = value;
    return size;
}

/* Bytes of the valid character at the start of a terminated text; 0 if there is none, also at its
 * end. */
static inline size_t utf8_length(const char *text)
{
    uint32_t character = 0;
    size_t size = utf8_decode(text, strnlen(text, 4), &character);
    return character > 0 ? size : 0;
}

/* Characters in the first `size` bytes of valid text: what a subtitle counts as its width. */
static inline size_t utf8_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static inline bool utf8_is_valid(const char *text)
{
    for (size_t size = utf8_length(text); size > 0; size = utf8_length(text))
        text += size;
    return !*text;
}

/*
 * A terminated copy in which every byte that belongs to no valid character, and every zero byte,
 * is U+FFFD. Made with malloc; NULL: out of memory.
 */
static inline char *utf8_repair(const char *bytes, size_t length)
{
    static const char replacement[3] = {'\xef', '\xbf', '\xbd'};
    char *text = malloc(length * sizeof(replacement) + 1), *to = text;
    if (!text)
        return NULL;
    for (size_t from = 0; from < length;) {
        uint32_t character = 0;
        size_t size = utf8_decode(bytes + from, length - from, &character);
        bool valid = size > 0 && character > 0;
        size_t written = valid ? size : sizeof(replacement);
        memcpy(to, valid ? bytes + from : replacement, written);
        to += written;
        from += valid ? size : 1;
    }
    *to = '\0';
    return text;
}

/* Makes a text fit for a terminal or a log: control characters (C0, DEL and C1, which terminals
 * obey) and what is not UTF-8 become question marks. */
static inline void utf8_clean(char *text)
{
    size_t length = strlen(text), to = 0;
    for (size_t from = 0; from < length;) {
        uint32_t character = 0;
        size_t size = utf8_decode(text + from, length - from, &character);
        bool shown = size > 0 && character >= ' ' && (character < 0x7f || character > 0x9f);
        if (shown)
            memmove(text + to, text + from, size);
        else
            text[to] = '?';
        to += shown ? size : 1;
        from += size > 0 ? size : 1;
    }
    text[to] = '\0';
}

#endif
