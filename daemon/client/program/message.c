// SPDX-License-Identifier: MIT
#include "daemon/client/program/message.h"

#include "include/internal/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A line is one write, so that lines of several programs do not mix. */
#define LINE_BYTES 4096

void message_error(const char *subject, const char *message)
{
    char line[LINE_BYTES], name[LINE_BYTES];
    if (subject && strcmp(subject, "-") == 0)
        subject = "standard input";
    if (subject) { /* cleaned, as messages of the library are */
        snprintf(name, sizeof(name), "%s", subject);
        utf8_clean(name);
        subject = name;
    }
    if (subject && strncmp(message, subject, strlen(subject)) == 0)
        subject = NULL;
    snprintf(line, sizeof(line), "hearken: %s%s%s", subject ? subject : "", subject ? ": " : "",
             message);
    utf8_clean(line);
    fprintf(stderr, "%s\n", line);
}
