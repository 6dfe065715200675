// SPDX-License-Identifier: MIT
/*
 * A private copy of a file in memory. Truncating or overwriting the file afterwards has no effect;
 * during the read it is an error, whereas a mapping of the file would raise SIGBUS. One thread at a
 * time.
 */
#ifndef HEARKEN_MODELS_FILE_FILE_COPY_H
#define HEARKEN_MODELS_FILE_FILE_COPY_H

#include <hearken/hearken.h>
#include <sys/stat.h>

struct file_copy {
    int file;           /* the caller's */
    uint8_t *data;      /* [size], from mmap(); zeros from `read` on */
    size_t size;        /* bytes, at least 1 */
    size_t read;        /* bytes in memory */
    struct stat status; /* at the start */
};

/*
 * Reserves the memory and reads nothing. `file` must stay open until the last read; `expected`
 * names the expected content, for messages. Errors, without the file's name: the system's, -EINVAL
 * if it is empty or not a regular file, -ENOMEM.
 */
int file_copy_start(struct file_copy *copy, int file, const char *expected,
                    struct hearken_error *error);

/* Reads until the first `size` bytes are in memory. Errors: the system's, -EIO if the file has been
 * truncated below `size`. */
int file_copy_read(struct file_copy *copy, size_t size, struct hearken_error *error);

/* Call it after the last read. Errors: -EIO if the file has changed since the start. */
int file_copy_check(const struct file_copy *copy, struct hearken_error *error);

/* Unmaps the memory. A caller that keeps `data` does not call this and unmaps it later. */
void file_copy_finish(struct file_copy *copy);

#endif
