// SPDX-License-Identifier: MIT
/* The attention picture as a PNG or SVG file. */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_FILE_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_FILE_H

#include "daemon/client/picture/picture.h"

/* Endings of the files' names that say which of the two; NULL-terminated. */
extern const char *const picture_file_endings[];

/*
 * Writes the picture of the recording `file` whole or not at all; *shown is how many seconds of it
 * fit into one. Errors: the system's for the
 * file, -EFBIG when it would be too large to look at, -ENOMEM.
 */
int picture_file_write(const struct picture *picture, const char *file, const char *path,
                       double *shown, struct hearken_error *error);

#endif
