// SPDX-License-Identifier: MIT
#include "models/file/utf8.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

size_t utf8_decode(const char *text, size_t length, uint32_t *character)
{
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
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < lowest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *character = value;
    return size;
}

char *utf8_repair(const char *bytes, size_t length)
{
    char *text = malloc(length * strlen(REPLACEMENT) + 1);
    if (!text)
        return NULL;
    size_t to = 0;
    for (size_t from = 0; from < length;) {
        uint32_t character = 0;
        size_t size = utf8_decode(bytes + from, length - from, &character);
        if (size == 0 || character == 0) {
            memcpy(text + to, REPLACEMENT, strlen(REPLACEMENT));
            to += strlen(REPLACEMENT);
            from++;
        } else {
            memcpy(text + to, bytes + from, size);
            to += size;
            from += size;
        }
    }
    text[to] = 0;
    return text;
}
