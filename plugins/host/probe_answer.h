// SPDX-License-Identifier: MIT
/*
 * The result of a plugin's probe and its text format, which hearken-probe writes to its pipe and
 * the probe cache to disk: lines "KEY VALUE", terminated by a line "end".
 */
#ifndef HEARKEN_PLUGINS_HOST_PROBE_ANSWER_H
#define HEARKEN_PLUGINS_HOST_PROBE_ANSWER_H

#include "plugins/host/plugin_library.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Bytes of a line with its key and the newline, at most. */
#define ANSWER_LINE_SIZE 4608

enum probe_outcome {
    PROBE_ANSWERED,
    PROBE_FAILED,  /* the probe died, hung or exceeded its memory limit */
    PROBE_UNASKED, /* the helper process could not be started */
};

struct plugin_answer {
    enum probe_outcome outcome;
    bool complete;               /* the line "end" has been parsed */
    char name[PLUGIN_NAME_SIZE]; /* empty: unknown, since the plugin could not be loaded */
    char description[256];
    int score;        /* 0: cannot run here; negative: could not be loaded */
    char reason[256]; /* never empty */
    char **files;     /* absolute paths of the shared objects that the probe loaded */
    size_t file_count;
};

/* Copies text to `to`, truncated to `size`, and replaces control characters by '?'. */
void answer_copy_text(char *to, size_t size, const char *from);

/* Writes the line "KEY VALUE", with the value cleaned as above. */
void answer_print_line(FILE *to, const char *key, const char *value);

/* Adds a path to `files`. Errors: -ENOMEM; -E2BIG beyond 1024 files. */
int answer_add_file(struct plugin_answer *answer, const char *path);

/* Parses one line, without its newline, into `answer`. Errors: -EBADMSG, those of
 * answer_add_file(). */
int answer_parse_line(struct plugin_answer *answer, const char *line);

void answer_finish(struct plugin_answer *answer);

#endif
