// SPDX-License-Identifier: MIT

#include "include/internal/utf8.h"

#include <hearken/hearken.h>
#include <stdarg.h>
#include <stdio.h>

int hearken_fail(struct hearken_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    /* Messages quote files and peers, which may hold anything. */
    utf8_clean(error->message);
    return code;
}
