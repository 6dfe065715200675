// SPDX-License-Identifier: MIT
/* Names of output files, and checks before anything is written. */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_NAME_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_NAME_H

#include "daemon/client/output/output.h"

#include <stdbool.h>
#include <stddef.h>

/* DIRECTORY/NAME.EXTENSION, with NAME the recording's ("-": standard input) without its extension.
 * The caller frees it. NULL: no memory. */
char *output_name(const char *directory, enum output_format format, const char *recording);

/* Checks that no two recordings have the same output file and that none would be overwritten.
 * Errors: -EEXIST, with the names of the recordings; -ENOMEM. */
int output_names_check(const char *directory, enum output_format format, char *const *recordings,
                       size_t count, struct hearken_error *error);

/* Checks whether files can be created in the directory. Errors: the system's, and -ENOTDIR. */
int output_directory_check(const char *directory, struct hearken_error *error);

/* Whether two paths mean one file, which need not exist. */
bool output_is_same(const char *a, const char *b);

/* Checks that the common output file is not a recording. Errors: -EEXIST. */
int output_file_check(const char *output, char *const *recordings, size_t count,
                      struct hearken_error *error);

#endif
