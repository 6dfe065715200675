// SPDX-License-Identifier: MIT
#include "daemon/client/program/message.h"

#include "daemon/client/program/client_utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A whole line is one write, so that lines of several programs do not mix. */
#define LINE_BYTES 4096

/* C0 and C1, which terminals obey, and DEL. */
static bool is_control(const char *character, size_t length)
{
    unsigned char first = (unsigned char)character[0];
    return (length == 1 && (first < ' ' || first == 0x7f)) ||
           (length == 2 && first == 0xc2 && (unsigned char)character[1] < 0xa0);
}

void message_clean(char *line)
{
    char *out = line;
    while (*line) {
        size_t length = utf8_length(line);
        bool shown = length > 0 && !is_control(line, length);
        if (shown)
            memmove(out, line, length);
        else
            *out = '?';
        out += shown ? length : 1;
        line += length > 0 ? length : 1;
    }
    *out = '\0';
}

void message_error(const char *subject, const char *message)
{
    char line[LINE_BYTES];
    if (subject && strcmp(subject, "-") == 0)
        subject = "standard input";
    if (subject && strncmp(message, subject, strlen(subject)) == 0)
        subject = NULL;
    snprintf(line, sizeof(line), "hearken: %s%s%s", subject ? subject : "", subject ? ": " : "",
             message);
    message_clean(line);
    fprintf(stderr, "%s\n", line);
}
