// SPDX-License-Identifier: MIT
/* The files that transcripts are written to. */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_NAME_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_NAME_H

#include "daemon/client/output/output.h"

#include <stddef.h>

/* DIRECTORY/NAME.ENDING for a recording ("-": standard input): NAME without the ending it had. To
 * be freed; NULL: no memory. */
char *output_name(const char *directory, enum output_format format, const char *recording);

/* Whether each recording has a file of its own in the directory and none is overwritten itself.
 * Errors: -EEXIST, naming two that have not, or the one; -ENOMEM. */
int output_names_check(const char *directory, enum output_format format, char *const *recordings,
                       size_t count, struct hearken_error *error);

/* Whether files can be made there. Errors: the system's, and -ENOTDIR. */
int output_directory_check(const char *directory, struct hearken_error *error);

/* Whether the one file for all results is none of the recordings. Errors: -EEXIST. */
int output_file_check(const char *output, char *const *recordings, size_t count,
                      struct hearken_error *error);

#endif
