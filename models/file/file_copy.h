// SPDX-License-Identifier: MIT
/*
 * A file's bytes in memory of one's own: whoever cuts the file short or writes over it in place
 * afterwards changes nothing, and while it is read that is an error and no signal, as it would be
 * in a mapping. One thread at a time.
 */
#ifndef HEARKEN_MODELS_FILE_FILE_COPY_H
#define HEARKEN_MODELS_FILE_FILE_COPY_H

#include <hearken/hearken.h>
#include <sys/stat.h>

struct file_copy {
    int file;           /* the caller's */
    uint8_t *data;      /* mapped, [size]; zeros from `read` on */
    size_t size;        /* bytes, more than none */
    size_t read;        /* bytes that are in memory */
    struct stat status; /* as it was at the start */
};

/*
 * Reserves the memory and reads nothing. `file` stays open until the last read; `expected` says
 * what should be in it. Errors, without the file's name: the system's, -EINVAL for what is no file
 * or empty, -ENOMEM.
 */
int file_copy_start(struct file_copy *copy, int file, const char *expected,
                    struct hearken_error *error);

/* Sees to it that the first `size` bytes are in memory. Errors: the system's, -EIO for a file that
 * has become shorter than `size`. */
int file_copy_read(struct file_copy *copy, size_t size, struct hearken_error *error);

/* After the last read. Errors: -EIO if the file is another than at the start. */
int file_copy_check(const struct file_copy *copy, struct hearken_error *error);

/* Gives the memory back; unless `data` was taken over, to be unmapped by whoever has it. */
void file_copy_finish(struct file_copy *copy);

#endif
