// SPDX-License-Identifier: MIT
/* The attention picture as a PNG or SVG file. */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_FILE_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_FILE_H

#include "daemon/client/picture/picture.h"

/* File name extensions, which select the format; NULL-terminated. */
extern const char *const picture_file_endings[];

/*
 * Writes the picture of the recording `file` completely or not at all; *shown is the number of
 * seconds that it shows. Errors: the system's for the file, those of picture_render().
 */
int picture_file_write(const struct picture *picture, const char *file, const char *path,
                       double *shown, struct hearken_error *error);

#endif
