// SPDX-License-Identifier: MIT
/*
 * What a plugin's probe found, and how it is written down: by hearken-probe into its pipe, and in
 * the cache. Lines of a word and its value, and "end".
 */
#ifndef HEARKEN_PLUGINS_HOST_PROBE_ANSWER_H
#define HEARKEN_PLUGINS_HOST_PROBE_ANSWER_H

#include "plugins/host/plugin_library.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A line's length, its word and its end included. */
#define ANSWER_LINE_SIZE 4608

enum probe_outcome {
    PROBE_ANSWERED,
    PROBE_FAILED,  /* it died, hung, or took too much */
    PROBE_UNASKED, /* there was no process to ask it in */
};

struct plugin_answer {
    enum probe_outcome outcome;
    bool complete;               /* the line "end" has been read */
    char name[PLUGIN_NAME_SIZE]; /* empty: not known, as it could not be loaded */
    char description[256];
    int score;        /* 0: cannot run here; negative: could not be loaded */
    char reason[256]; /* never empty */
    char **files;     /* the shared objects that were loaded for it, absolute paths */
    size_t file_count;
};

/* Text to `to`, cut to its size, with '?' for what does something to a terminal or ends a line. */
void answer_copy_text(char *to, size_t size, const char *from);

/* One line, cleaned as above. */
void answer_print_line(FILE *to, const char *word, const char *value);

/* Adds a path. -ENOMEM; -E2BIG: no plugin needs that many. */
int answer_add_file(struct plugin_answer *answer, const char *path);

/* Takes one line without its end. 0, -EBADMSG, or of answer_add_file(). */
int answer_take_line(struct plugin_answer *answer, const char *line);

void answer_finish(struct plugin_answer *answer);

#endif
