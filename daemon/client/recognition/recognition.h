// SPDX-License-Identifier: MIT
/* One recording on its way through a recogniser, be it a daemon's (remote_recognition.h) or our own
 * (local_recognition.h).
 */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_RECOGNITION_H

#include "daemon/client/output/transcript.h"
#include "daemon/client/picture/picture.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stdint.h>

struct recognition {
    struct hearken_source *source; /* read to its end */
    bool from_stdin;               /* the source is standard input: wait for it with poll() */
    int interrupt;                 /* a descriptor that becomes readable when all must stop */
    double seconds;                /* of sound that was handed over; counted */
    bool has_segments;             /* a segment was told; noted */
    struct picture *picture;       /* filled; NULL: no alignment is asked for */

    /* Called in the thread that recognises: with each segment that is complete, which may be taken
     * (transcript_take), and now and then with the seconds of sound handed over so far. A negative
     * errno from `segment` ends it all. */
    int (*segment)(void *context, struct transcript_segment *segment);
    void (*progress)(void *context, double seconds);
    void *context;
};

/* Bytes of a sample as it is handed over: 32 bits, signed, little endian; 16 kHz mono. */
#define RECOGNITION_WIDTH 4

/*
 * Reads up to `count` samples and counts them in the seconds; returns how many (0: the
 * end). `bytes` has room for RECOGNITION_WIDTH times as many. A daemon and a model of our own hear
 * the very same bytes, so they write the very same text. Errors: as hearken_source_read;
 * -ENOMEM.
 */
long recognition_read(struct recognition *recognition, uint8_t *bytes, size_t count,
                      struct hearken_error *error);

/* Tells of a segment, with what the picture shows of it. -ENOMEM, or what the callback says. */
int recognition_report_segment(struct recognition *recognition, struct transcript_segment *segment,
                               const struct hearken_alignment *alignment);

/* Whether the interrupt came. */
bool recognition_interrupted(const struct recognition *recognition);

#endif
