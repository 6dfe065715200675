// SPDX-License-Identifier: MIT
#include "models/file/utf8.h"

#include <hearken/hearken.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Messages quote files and peers, which may hold anything: keeps them one line of UTF-8 that does
 * not steer a terminal, as the control characters C0 and C1 would. */
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
    text[to] = '\0';
}

int hearken_fail(struct hearken_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    clean(error->message);
    return code;
}
