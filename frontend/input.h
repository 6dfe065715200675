// SPDX-License-Identifier: MIT
/*
 * Bytes from a file, a pipe or standard input.
 *
 * One thread at a time for each input. Functions that fail write a message that begins with the
 * input's name.
 */
#ifndef HEARKEN_FRONTEND_INPUT_H
#define HEARKEN_FRONTEND_INPUT_H

#include <hearken/hearken.h>

/* Bytes of a pipe that are kept in a temporary file at most: an hour of 96 kHz stereo of 24 bits.
 */
#define INPUT_SPOOL_LIMIT ((uint64_t)2 << 30)

struct input {
    int fd;
    bool regular;   /* a file at its start, which may be read again from there */
    uint64_t size;  /* of a regular file, in bytes */
    char name[256]; /* for messages: the path, its front cut off if it is long, or "standard input"
                     */
};

/* Opens `path`, or standard input for "-". Errors: the system's; -EISDIR; -EINVAL for a terminal.
 */
int input_open(struct input *input, const char *path, struct hearken_error *error);

void input_close(struct input *input);

/* Reads what is there, waiting until there is something: 1..size bytes, 0 at the end, or a negative
 * errno. */
long input_read(struct input *input, void *bytes, size_t size, struct hearken_error *error);

/*
 * Makes an input that is not regular so, by copying all of it to an unlinked temporary file in
 * $TMPDIR or /tmp; `head` [head_size] is what was read of it before. Errors: -EFBIG beyond
 * INPUT_SPOOL_LIMIT, the system's.
 */
int input_spool(struct input *input, const void *head, size_t head_size,
                struct hearken_error *error);

/* Back to the first byte of a regular input. */
int input_rewind(struct input *input, struct hearken_error *error);

#endif
