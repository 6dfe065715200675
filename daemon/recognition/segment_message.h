// SPDX-License-Identifier: MIT
/* What was heard, of one segment or of where one begins or ends, in the form in which clients get
 * it (docs/protocol.md). */
#ifndef HEARKEN_DAEMON_RECOGNITION_SEGMENT_MESSAGE_H
#define HEARKEN_DAEMON_RECOGNITION_SEGMENT_MESSAGE_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heard_segment {
    const char *event; /* the type under which it is sent, a constant */
    bool voice;        /* tells where somebody speaks: there is no text */
    bool final;
    double start;          /* of the segment, or where the voice starts or stops */
    json_t *data;          /* as docs/protocol.md has it; words, alignment if asked for */
    uint8_t *weights;      /* of the alignment: little endian floats [tokens, steps], or NULL */
    size_t weights_length; /* bytes */
};

/* Copies all it needs of the event, whose times are counted from `origin`, in seconds; from any
 * thread. Errors: -ENOMEM. */
int heard_segment_init(struct heard_segment *segment, const struct hearken_event *event, bool words,
                       double origin);
void heard_segment_finish(struct heard_segment *segment);

/* A JSON string; bytes of what is not UTF-8 become U+FFFD. NULL without memory. */
json_t *json_from_text(const char *text);

#endif
