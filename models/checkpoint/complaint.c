// SPDX-License-Identifier: MIT
#include "complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int complain(struct complaint *complaint, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint->text, sizeof(complaint->text), format, arguments);
    va_end(arguments);
    /* What files say may hold anything: keep it one line, and from steering a terminal. */
    for (char *c = complaint->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
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
