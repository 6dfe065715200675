// SPDX-License-Identifier: MIT
#include "models/checkpoint/complaint.h"

#include "models/file/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What files say may hold anything: keep it one line, and from steering a terminal, which may obey
 * C0 and C1. */
static void clean(char *text)
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
    text[to] = 0;
}

int complain(struct complaint *complaint, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint->text, sizeof(complaint->text), format, arguments);
    va_end(arguments);
    clean(complaint->text);
    return code;
}

int complain_of_file(struct complaint *complaint, int code, const char *path)
{
    return complain(complaint, code, "%s: %s", path, strerror(-code));
}

int complain_of_memory(struct complaint *complaint)
{
    return complain(complaint, -ENOMEM, "out of memory");
}
