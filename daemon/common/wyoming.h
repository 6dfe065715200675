// SPDX-License-Identifier: MIT
/*
 * The Wyoming protocol's framing: events to bytes and back. No sockets and no state of a
 * conversation: hearkend and hearken both use it. The protocol is described in docs/protocol.md.
 *
 * One event on the wire is a line of JSON, then `data_length` bytes of JSON, then `payload_length`
 * bytes of anything:
 *
 *     {"type": "audio-chunk", "data": {...}, "data_length": 52, "payload_length": 2048}\n
 *
 * Both forms of data may come together; what follows the line wins over what is in it.
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

/* What a peer may make us hold. */
struct wyoming_limits {
    size_t header;  /* bytes of the line, newline included */
    size_t data;    /* bytes of the data behind it */
    size_t payload; /* bytes */
    unsigned depth; /* of nested arrays and objects in either JSON text */
};

/* 64 KiB, 1 MiB, 4 MiB, 32 levels. */
extern const struct wyoming_limits wyoming_limits_default;

/* An event that came in. All of it belongs to the parser. */
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
    size_t scanned;    /* how many of them are known to hold no newline */
    json_t *header;    /* of the event whose bytes are being waited for, or was given out last */
    bool header_known; /* the line is consumed, the rest not */
    size_t data_length, payload_length;
    int failure; /* negative errno once broken: it stays so */
    struct hearken_error error;
};

/* Cannot fail and allocates nothing. `limits` NULL: the default. */
void wyoming_parser_init(struct wyoming_parser *parser, const struct wyoming_limits *limits);

/* Frees what the parser holds, with the event given out last. */
void wyoming_parser_finish(struct wyoming_parser *parser);

/*
 * Takes a copy of bytes as they came from the peer, cut anywhere. Take all events with
 * wyoming_parser_next before feeding more: only so is memory bounded. The event given out last is
 * gone afterwards. Errors: -ENOMEM.
 */
int wyoming_parser_feed(struct wyoming_parser *parser, const void *bytes, size_t length,
                        struct hearken_error *error);

/*
 * 1: `event` is the next one; it lives until the next call with this parser. 0: more bytes are
 * needed. Errors: -EBADMSG (not Wyoming), -EMSGSIZE (beyond a limit), -ENOMEM; the stream of bytes
 * is then lost, and each later call says the same.
 */
int wyoming_parser_next(struct wyoming_parser *parser, struct wyoming_event *event,
                        struct hearken_error *error);

/* True between events: the peer may stop here. False within one, and after an error. */
bool wyoming_parser_idle(const struct wyoming_parser *parser);

/* Bytes to be sent; starts as {0}. */
struct wyoming_buffer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

void wyoming_buffer_finish(struct wyoming_buffer *buffer);

/*
 * Appends one event to the buffer. `data` (an object, or NULL for none) stays the caller's;
 * `payload` may be NULL if its length is 0. Errors, with the buffer as it was: -ENOMEM, -EINVAL for
 * a type or data that are no JSON (bad UTF-8, a number that is not finite).
 */
int wyoming_serialise(const char *type, const json_t *data, const void *payload,
                      size_t payload_length, struct wyoming_buffer *buffer);

#endif
