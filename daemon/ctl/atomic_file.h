// SPDX-License-Identifier: MIT
/* Files that are there whole or not at all. */
#ifndef HEARKEN_CTL_ATOMIC_FILE_H
#define HEARKEN_CTL_ATOMIC_FILE_H

#include <stddef.h>

#include "hearken/hearken.h"

/*
 * Writes `path` by way of a file beside it that takes its name at the end; what was there before
 * stays if that fails. A symbolic link is followed. What is no file, such as a device or a pipe, is
 * written to as it is. Errors: the system's.
 */
int atomic_file_write(const char *path, const void *bytes, size_t length,
                      struct hearken_error *error);

/* Whether that could be done now, as far as can be told beforehand. Errors: the system's. */
int atomic_file_check(const char *path, struct hearken_error *error);

#endif
