// SPDX-License-Identifier: MIT
/* Many recordings, some at a time, with their results in the order in which they were named. */
#ifndef HEARKEN_DAEMON_CLIENT_COMMANDS_BATCH_H
#define HEARKEN_DAEMON_CLIENT_COMMANDS_BATCH_H

#include "daemon/client/output/output.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/local_recognition.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

struct batch_options {
    struct local *local;    /* NULL: by the daemon at `address` */
    struct address address; /* checked by the caller */
    struct stream_settings settings;
    const struct hearken_audio_format *raw; /* NULL: the files say what they hold */
    struct output_style style;
    const char *output;           /* a file for all results, or NULL */
    const char *output_directory; /* a file in it for each recording, or NULL */
    const char *attention; /* the picture: a file for it, "-": in the terminal, or NULL: none */
    unsigned parallel;     /* recordings at a time, at least 1 */
    bool quiet;            /* no progress */
};

/* Whether the results can be written, as far as can be told before there are any. Errors: the
 * system's. */
int batch_check(const struct batch_options *options, struct hearken_error *error);

/* Recognises the files ("-": standard input, once at most) and says what failed on standard error.
 * Returns an exit code. SIGINT, SIGTERM and SIGHUP cancel what runs; what was recognised until then
 * is written. */
int batch_run(const struct batch_options *options, char *const *files, size_t count);

#endif
