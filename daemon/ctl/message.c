// SPDX-License-Identifier: MIT
#include "message.h"

#include <stdio.h>
#include <string.h>

/* A whole line is one write, so that lines of several programs do not mix. */
#define LINE_BYTES 4096

static void clean(char *line)
{
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
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
    clean(line);
    fprintf(stderr, "%s\n", line);
}
