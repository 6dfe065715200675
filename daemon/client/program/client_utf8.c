// SPDX-License-Identifier: MIT
#include "daemon/client/program/client_utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The smallest code point that may be written with so many bytes: shorter forms exist below. */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

static size_t announced_length(unsigned char first)
{
    if (first < 0x80)
        return first != 0;
    if (first < 0xc2)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

size_t utf8_length(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = announced_length(bytes[0]);
    if (length < 2)
        return length;
    uint32_t point = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return length;
}

size_t utf8_count(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

bool utf8_is_valid(const char *text)
{
    for (size_t length = utf8_length(text); length > 0; length = utf8_length(text))
        text += length;
    return !*text;
}

char *utf8_repair(const char *bytes)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *text = malloc(strlen(bytes) * (sizeof(replacement) - 1) + 1);
    if (!text)
        return NULL;
    char *out = text;
    while (*bytes) {
        size_t length = utf8_length(bytes);
        if (length) {
            memcpy(out, bytes, length);
            out += length;
            bytes += length;
        } else {
            out = stpcpy(out, replacement);
            bytes++;
        }
    }
    *out = '\0';
    return text;
}
