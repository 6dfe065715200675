// SPDX-License-Identifier: MIT
/* What a command line says of how to recognise. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_ARGUMENTS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_ARGUMENTS_H

#include "daemon/client/program/client_options.h"
#include "daemon/client/program/stream_settings.h"

#include <stdbool.h>

/* As options_parse leaves it; all point into argv. Zeros and NULL: not given. */
struct stream_arguments {
    unsigned beam;
    const char *language, *prompt;
    bool translate;
    const char *model; /* a daemon's, by name, or with --local a file */
    struct option_list settings, words, word_files;
};

/* Fills `settings`, to be finished by the caller in any case; without the model if that is
 * opened by this process. Returns an exit code, having said on standard error what is wrong. */
int stream_arguments_read(const struct stream_arguments *arguments, const struct command *command,
                          bool local, struct stream_settings *settings);

#endif
