// SPDX-License-Identifier: MIT
/* A segment or the start or end of voice as an event of the protocol (docs/protocol.md). */
#ifndef HEARKEN_DAEMON_RECOGNITION_SEGMENT_MESSAGE_H
#define HEARKEN_DAEMON_RECOGNITION_SEGMENT_MESSAGE_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment_message {
    const char *event; /* the event's type, a constant */
    bool voice;        /* voice-started or voice-stopped: there is no text */
    bool final;
    double start;          /* seconds: start of the segment, or start or end of voice */
    json_t *data;          /* the event's data; with words and alignment if requested */
    uint8_t *weights;      /* of the alignment: little-endian floats [tokens, steps], or NULL */
    size_t weights_length; /* bytes */
};

/* Copies what it needs from the event; adds `origin`, in seconds, to its times. `words`: list the
 * words. From any thread. Errors: -ENOMEM. */
int segment_message_init(struct segment_message *segment, const struct hearken_event *event,
                         bool words, double origin);
void segment_message_finish(struct segment_message *segment);

/* The alignment as an object that holds its weights in base64, for protocols without payloads; null
 * if it was too large; NULL: there is none, or no memory. A new reference. */
json_t *segment_message_alignment(const struct segment_message *segment);

#endif
