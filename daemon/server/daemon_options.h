// SPDX-License-Identifier: MIT
/* The command line of hearkend. */
#ifndef HEARKEN_DAEMON_SERVER_DAEMON_OPTIONS_H
#define HEARKEN_DAEMON_SERVER_DAEMON_OPTIONS_H

#include "daemon/settings/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK, /* read the configuration and exit */
    OPTIONS_HELP,  /* this and the following: print and exit */
    OPTIONS_VERSION,
    OPTIONS_HELP_CONFIGURATION,
    OPTIONS_HELP_MANUAL,
};

struct options {
    enum options_action action;
    char *file;       /* configuration, NULL: none */
    bool file_named;  /* on the command line: it must exist */
    char **overrides; /* "section.name=value", in order; they override the file */
    size_t override_count;
};

/* Searches the standard paths for the configuration unless --config names a file. Errors, each a
 * message of one line: -EINVAL for bad usage, -ENOMEM. Call options_finish in any case. */
int options_parse(struct options *options, int count, char *const *arguments,
                  struct hearken_error *error);
void options_finish(struct options *options);

void options_print_help(FILE *stream);

/* Reads the defaults, then the file, then the command line. `settings` need not be initialised and
 * is finished on failure. Calls `callback` for each problem. Errors: -EINVAL, -ENOMEM, or the
 * system's for the file. */
int options_load_settings(const struct options *options, struct settings *settings,
                          setting_problem_callback *callback, void *context);

#endif
