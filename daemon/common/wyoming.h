// SPDX-License-Identifier: MIT
/*
 * The framing of the Wyoming protocol (docs/protocol.md): converts events to bytes and back. Used
 * by hearkend and hearken.
 *
 * An event is a line of JSON, then `data_length` bytes of JSON, then `payload_length` bytes:
 *
 *     {"type": "audio-chunk", "data": {...}, "data_length": 52, "payload_length": 2048}\n
 *
 * An event may have data in the line and after it; members after the line take precedence.
 *
 * A parser and a buffer belong to one thread at a time.
 */
#ifndef HEARKEN_DAEMON_COMMON_WYOMING_H
#define HEARKEN_DAEMON_COMMON_WYOMING_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits on what a parser stores for a peer. */
struct wyoming_limits {
    size_t header;  /* bytes of the line, newline included */
    size_t data;    /* bytes of the data after the line */
    size_t payload; /* bytes */
    unsigned depth; /* of nested arrays and objects in either JSON text */
};

/* 64 KiB, 1 MiB, 4 MiB, 32 levels. */
extern const struct wyoming_limits wyoming_limits_default;

/* A received event. Its members belong to the parser. */
struct wyoming_event {
    const char *type;       /* not empty */
    json_t *data;           /* always an object */
    const uint8_t *payload; /* not NULL, but holds nothing if the length is 0 */
    size_t payload_length;
};

/* Fields are for wyoming.c only. */
struct wyoming_parser {
    struct wyoming_limits limits;
    uint8_t *bytes;
    size_t capacity;
    size_t begin, end; /* bytes not yet consumed: [begin, end) */
    size_t scanned;    /* how many of them are known to contain no newline */
    json_t *header;    /* of the incomplete event, or of the one returned last */
    bool header_known; /* the line has been consumed, the rest has not */
    size_t data_length, payload_length;
    int failure; /* 0, or the negative errno of the error that ended parsing */
    struct hearken_error error;
};

/* `limits` NULL: the default. Allocates nothing. */
void wyoming_parser_init(struct wyoming_parser *parser, const struct wyoming_limits *limits);

/* Frees what the parser holds, including the event returned last. */
void wyoming_parser_finish(struct wyoming_parser *parser);

/*
 * Adds received bytes, which are copied and may end anywhere. Fetch all events with
 * wyoming_parser_next before feeding more, so that memory stays bounded. Invalidates the event
 * returned last. Errors: -ENOMEM.
 */
int wyoming_parser_feed(struct wyoming_parser *parser, const void *bytes, size_t length,
                        struct hearken_error *error);

/*
 * 1: `event` is the next event, valid until the next call with this parser. 0: more bytes are
 * needed. Errors: -EBADMSG (not Wyoming), -EMSGSIZE (a limit exceeded), -ENOMEM; they are
 * permanent, each later call returns the same.
 */
int wyoming_parser_next(struct wyoming_parser *parser, struct wyoming_event *event,
                        struct hearken_error *error);

/* True between events; false within one, and after an error. */
bool wyoming_parser_idle(const struct wyoming_parser *parser);

/* Bytes to be sent; initialise with {0}. */
struct wyoming_buffer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

void wyoming_buffer_finish(struct wyoming_buffer *buffer);

/*
 * Appends one event to the buffer. `data` (an object, or NULL for none) stays the caller's;
 * `payload` may be NULL if its length is 0. Errors, with the buffer unchanged: -ENOMEM; -EINVAL for
 * a type or data that JSON cannot represent (bad UTF-8, a number that is not finite).
 */
int wyoming_serialise(const char *type, const json_t *data, const void *payload,
                      size_t payload_length, struct wyoming_buffer *buffer);

#endif
