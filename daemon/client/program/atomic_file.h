// SPDX-License-Identifier: MIT
/* Files that are replaced as a whole or not at all. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_ATOMIC_FILE_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_ATOMIC_FILE_H

#include <hearken/hearken.h>
#include <stddef.h>

/*
 * A temporary file in the directory of the file it replaces. Committing it gives it the old file's
 * name, mode and, if permitted, owner; until then nothing changes. Symbolic links are followed. A
 * device, a pipe or /dev/stdout is written to directly. If the directory does not allow a new file,
 * committing overwrites the old one. Not for two threads at once.
 */
struct atomic_file {
    int descriptor;   /* to write to */
    const char *name; /* for messages; the caller's */
    char *target;     /* the file to replace; NULL: written to directly */
    char *temporary;  /* path of the temporary file; NULL: it has no name */
};

/* `path` must outlive the file. Errors: the system's, and -EISDIR. */
int atomic_file_open(struct atomic_file *file, const char *path, struct hearken_error *error);

/* Replaces the target and closes the file. On failure the old file is unchanged. Errors: the
 * system's (-ENOSPC …). */
int atomic_file_commit(struct atomic_file *file, struct hearken_error *error);

/* Closes the file; the old one is unchanged. */
void atomic_file_discard(struct atomic_file *file);

/* Opens, writes and commits a file. Errors: as the three above. */
int atomic_file_write(const char *path, const void *bytes, size_t length,
                      struct hearken_error *error);

/* Checks in advance whether the file could be written. Errors: the system's. */
int atomic_file_check(const char *path, struct hearken_error *error);

#endif
