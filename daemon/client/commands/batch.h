// SPDX-License-Identifier: MIT
/* Recognises many recordings, several at a time, and writes the results in the order of the
 * arguments. */
#ifndef HEARKEN_DAEMON_CLIENT_COMMANDS_BATCH_H
#define HEARKEN_DAEMON_CLIENT_COMMANDS_BATCH_H

#include "daemon/client/output/output.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

struct batch_options {
    struct local *local;    /* NULL: use the daemon at `address` */
    struct address address; /* checked by the caller */
    struct stream_settings settings;
    struct hearken_source_options source;
    struct output_style style;
    const char *output;           /* a file for all results, or NULL */
    const char *output_directory; /* for a file per recording, or NULL */
    const char *attention; /* file for the attention picture; "-": the terminal; NULL: none */
    unsigned parallel;     /* recordings at a time, at least 1 */
    bool quiet;            /* no progress */
};

/* Checks in advance whether the results can be written. Errors: the system's. */
int batch_check(const struct batch_options *options, struct hearken_error *error);

/* Recognises the files ("-": standard input, at most once) and reports failures on standard error.
 * Returns an exit code. SIGINT, SIGTERM and SIGHUP cancel the batch; what was recognised until then
 * is written. */
int batch_run(const struct batch_options *options, char *const *files, size_t count);

#endif
