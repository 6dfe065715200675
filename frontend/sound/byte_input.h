// SPDX-License-Identifier: MIT
/*
 * Bytes from a file, a pipe or standard input.
 *
 * One thread at a time for each input. Functions that fail write a message that begins with the
 * input's name.
 */
#ifndef HEARKEN_FRONTEND_SOUND_BYTE_INPUT_H
#define HEARKEN_FRONTEND_SOUND_BYTE_INPUT_H

#include <hearken/hearken.h>

/* Bytes of a pipe that are kept in a temporary file at most: an hour of 96 kHz stereo of 24 bits.
 */
#define INPUT_SPOOL_LIMIT ((uint64_t)2 << 30)

struct input {
    int fd;
    bool regular;  /* a file that was at its start, which may be read again from any place */
    uint64_t size; /* of a regular file, in bytes */
    uint64_t at;   /* of the next byte that is read from `fd`, behind the head */
    uint8_t *head; /* [head_size]: read from `fd` to look at it; from head_at on not yet used */
    size_t head_at, head_size;
    char name[256]; /* for messages: the path, its front cut off if it is long, or "standard input"
                     */
};

/* Opens `path`, or standard input for "-". Errors: the system's; -EISDIR; -EINVAL for a terminal.
 */
int input_open(struct input *input, const char *path, struct hearken_error *error);

void input_close(struct input *input);

/*
 * Reads what is there, waiting until there is something: 1..size bytes, 0 at the end, or a negative
 * errno. What was looked at comes first.
 */
long input_read(struct input *input, void *bytes, size_t size, struct hearken_error *error);

/*
 * Looks at more of what comes, waiting until there is something; input_head has it then. Returns
 * how many bytes it added, 0 at the end, or a negative errno.
 */
long input_look(struct input *input, struct hearken_error *error);

/* What was looked at and not read; it holds until the next call. */
const uint8_t *input_head(const struct input *input, size_t *size);

/* Reads `size` bytes, at most as many as the head holds, into nowhere. */
void input_skip(struct input *input, size_t size);

/* Where the next byte comes from, counted from the input's start. */
uint64_t input_tell(const struct input *input);

/* Goes to a place in a regular input. */
int input_seek(struct input *input, uint64_t at, struct hearken_error *error);

/*
 * Makes an input that is not regular so, by copying all that is still to come (the head too) to an
 * unlinked temporary file in $TMPDIR or /tmp; it is then at its start. Errors: -EFBIG beyond
 * INPUT_SPOOL_LIMIT, the system's.
 */
int input_spool(struct input *input, struct hearken_error *error);

#endif
