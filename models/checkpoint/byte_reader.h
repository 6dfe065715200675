// SPDX-License-Identifier: MIT
/* Reads a file's bytes from start to end. After the first failure all calls fail. */
#ifndef HEARKEN_MODELS_CHECKPOINT_BYTE_READER_H
#define HEARKEN_MODELS_CHECKPOINT_BYTE_READER_H

#include "include/internal/little_endian.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <inttypes.h>
#include <stddef.h>

struct byte_reader {
    const uint8_t *start, *at, *end;
    const char *path; /* for messages */
    struct hearken_error *error;
    int result; /* 0, or the negative errno of the first failure */
};

/* The next `size` bytes; NULL after a failure. `what` is for the message. */
static inline const uint8_t *byte_reader_take(struct byte_reader *reader, uint64_t size,
                                              const char *what)
{
    if (reader->result < 0)
        return NULL;
    if (size > (uint64_t)(reader->end - reader->at)) {
        reader->result = hearken_fail(
            reader->error, -EINVAL,
            "%s: the file ends in %s: %" PRIu64 " bytes expected at byte %td, "
            "%td are left",
            reader->path, what, size, reader->at - reader->start, reader->end - reader->at);
        return NULL;
    }
    reader->at += size;
    return reader->at - size;
}

/* 0 after a failure. */
static inline uint32_t byte_reader_u32(struct byte_reader *reader, const char *what)
{
    const uint8_t *bytes = byte_reader_take(reader, sizeof(uint32_t), what);
    return bytes ? load_u32(bytes) : 0;
}

#endif
