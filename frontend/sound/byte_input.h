// SPDX-License-Identifier: MIT
/*
 * Bytes from a file, a pipe, standard input or a program's reader.
 *
 * One thread at a time for each input. Functions that fail write a message that begins with the
 * input's name.
 */
#ifndef HEARKEN_FRONTEND_SOUND_BYTE_INPUT_H
#define HEARKEN_FRONTEND_SOUND_BYTE_INPUT_H

#include <hearken/hearken.h>

/* Bytes of a pipe that input_spool() copies at most: an hour of 96 kHz stereo with 24 bits. */
#define INPUT_SPOOL_LIMIT ((uint64_t)2 << 30)

struct input {
    int fd;                       /* -1: there is a reader */
    struct hearken_reader reader; /* without functions: there is a descriptor */
    bool regular;                 /* seekable, from its start on, and of a known size */
    uint64_t size;                /* of a regular input, in bytes */
    uint64_t at;                  /* position in the input, after the head */
    uint8_t *head; /* [head_size]: read ahead from `fd`; not yet consumed from head_at on */
    size_t head_at, head_size;
    char name[256]; /* for messages: the path, truncated at its front, or "standard input" */
};

/* Opens `path`, or standard input for "-". Errors: the system's; -EISDIR; -EINVAL for a terminal.
 */
int input_open(struct input *input, const char *path, struct hearken_error *error);

/* Reads by means of `reader`, which is copied; its context must outlive the input. */
void input_open_reader(struct input *input, const struct hearken_reader *reader, const char *name);

void input_close(struct input *input);

/* Whether the input can return to its start: a regular one, or one with a reader. */
bool input_rewinds(const struct input *input);

/*
 * Reads 1..size bytes and waits until there is at least one; the head comes first. Returns 0 at the
 * end, or a negative errno.
 */
long input_read(struct input *input, void *bytes, size_t size, struct hearken_error *error);

/*
 * Reads more bytes ahead into the head, without consuming them; waits until there is at least one.
 * Returns how many bytes it added, 0 at the end, or a negative errno.
 */
long input_look(struct input *input, struct hearken_error *error);

/* The bytes read ahead and not yet consumed; valid until the next call. */
const uint8_t *input_head(const struct input *input, size_t *size);

/* Discards `size` bytes, at most as many as the head holds. */
void input_skip(struct input *input, size_t size);

/* The position of the next byte, from the input's start. */
uint64_t input_tell(const struct input *input);

/* Seeks in an input that rewinds. */
int input_seek(struct input *input, uint64_t at, struct hearken_error *error);

/*
 * Makes an input regular and seeks to its start: waits for the end of a reader; of a pipe, copies
 * the head and all remaining bytes to an unlinked temporary file in $TMPDIR or /tmp. Errors: -EFBIG
 * beyond INPUT_SPOOL_LIMIT, the system's.
 */
int input_spool(struct input *input, struct hearken_error *error);

#endif
