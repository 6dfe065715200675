// SPDX-License-Identifier: MIT
/* The recognition of one recording, by a daemon (remote_recognition.h) or by a model in this
 * process that all recordings share. */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_RECOGNITION_H

#include "daemon/client/picture/picture.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/transcript/transcript.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stdint.h>

struct recognition {
    struct hearken_source *source; /* read to its end */
    uint32_t channels;             /* that the source gives, at most HEARKEN_CHANNELS_EACH_MAX */
    bool from_stdin;               /* the source is standard input: wait for it with poll() */
    int interrupt;                 /* a descriptor that becomes readable to stop the recognition */
    double seconds;                /* of audio read so far; updated by recognition_read */
    bool has_segments;             /* updated by recognition_report_segment */
    struct picture *picture;       /* to be filled; NULL: no picture is wanted */

    /* Called in the recognising thread: `segment` with each complete segment, which it may move
     * away (transcript_move_segment); `progress` now and then with the seconds of audio read. A
     * negative errno from `segment` ends the recognition. */
    int (*segment)(void *context, struct transcript_segment *segment);
    void (*progress)(void *context, double seconds);

    /* Only by a model in this process: where an earlier recognition ended (hearken_stream_resume);
     * 0: nowhere. */
    double resume;
    /* NULL, or called after each piece of sound, when all segments that end in it have been told,
     * with the border of the stream (hearken_stream_border). A negative errno ends the
     * recognition. */
    int (*border)(void *context, double seconds);
    void *context;
};

/* Bytes of a sample given to the recogniser: 32 bits, signed, little-endian; 16 kHz, interleaved.
 */
#define RECOGNITION_WIDTH 4

/*
 * Reads up to `count` samples, a multiple of the channels, into `bytes` [RECOGNITION_WIDTH *
 * count]; returns their number, 0 at the end. A daemon and a local model get the same bytes, so
 * that they give the same text. Errors: as hearken_source_read; -ENOMEM.
 */
long recognition_read(struct recognition *recognition, uint8_t *bytes, size_t count,
                      struct hearken_error *error);

/* Waits for a pipe and the interrupt together, as the interrupt would not wake a read. Errors:
 * -ECANCELED after the interrupt, the system's. */
int recognition_wait(const struct recognition *recognition);

/* Adds a segment to the picture and passes it to the callback. Errors: -ENOMEM, and those of the
 * callback. */
int recognition_report_segment(struct recognition *recognition, struct transcript_segment *segment,
                               const struct hearken_alignment *alignment);

/* ---- By a model in this process ---- */

struct local;

/* `model` NULL: the installed default model. Errors: as hearken_model_open. */
int local_create(const char *model, const struct hearken_backend_options *options,
                 struct local **local, struct hearken_error *error);

/* From any number of threads at once. Errors: as hearken_stream_create and hearken_stream_write;
 * -ECANCELED after local_cancel; those of the segment callback. */
int local_recognise(struct local *local, const struct stream_settings *settings,
                    struct recognition *recognition, struct hearken_error *error);

/* From any thread: cancels all running recognitions. */
void local_cancel(struct local *local);

/* To be called when no recognition is running. */
void local_destroy(struct local *local);

#endif
