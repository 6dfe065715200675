// SPDX-License-Identifier: MIT
/* Files that are there whole or not at all. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_ATOMIC_FILE_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_ATOMIC_FILE_H

#include <hearken/hearken.h>
#include <stddef.h>

/*
 * A file in the making. It is written beside the one that it is to replace and takes that one's
 * name, mode and, where the system allows it, owner at the end; till then nothing has changed. A
 * symbolic link is followed. What is no file, such as a device, a pipe or /dev/stdout, is written
 * to as it is. Where the folder takes no new file, the old one is overwritten at the end. Not for
 * two threads at once.
 */
struct atomic_file {
    int descriptor;   /* to write to */
    const char *name; /* for messages; the caller's */
    char *target;     /* what is replaced at the end; NULL: it is written to as it is */
    char *temporary;  /* the file beside it; NULL: one without a name */
};

/* `path` must outlive the file. Errors: the system's, and -EISDIR. */
int atomic_file_open(struct atomic_file *file, const char *path, struct hearken_error *error);

/* Gives the file its name and closes it. After an error, what was there before is still there.
 * Errors: the system's (-ENOSPC …). */
int atomic_file_commit(struct atomic_file *file, struct hearken_error *error);

/* Closes; what was there before stays. */
void atomic_file_discard(struct atomic_file *file);

/* All of it at once. Errors: as the three above. */
int atomic_file_write(const char *path, const void *bytes, size_t length,
                      struct hearken_error *error);

/* Whether that could be done now, as far as can be told beforehand. Errors: the system's. */
int atomic_file_check(const char *path, struct hearken_error *error);

#endif
