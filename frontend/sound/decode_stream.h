// SPDX-License-Identifier: MIT
/*
 * What hearken-decode writes: records, each a head and `size` bytes, in this order.
 *
 *     TRACKS  (FORMAT | SAMPLES | DAMAGE)...  END
 *     FAILURE
 *
 * Numbers are in the machine's own order: both programs run on one. The reader does not trust the
 * writer, which has read the recording.
 */
#ifndef HEARKEN_FRONTEND_SOUND_DECODE_STREAM_H
#define HEARKEN_FRONTEND_SOUND_DECODE_STREAM_H

#include "frontend/sound/sound_track.h"

#include <stdint.h>

/* Of a record. */
#define DECODE_SIZE_MAX 65536u

/* More tracks are not told of. */
#define DECODE_TRACKS_MAX 64u

enum decode_record_type {
    DECODE_TRACKS = 1, /* struct sound_track [tracks], in the file's order */
    DECODE_FORMAT,     /* struct decode_format, of the samples that follow */
    DECODE_SAMPLES,    /* float [frames, channels] */
    DECODE_DAMAGE,     /* struct decode_damage */
    DECODE_END,        /* nothing */
    DECODE_FAILURE,    /* text: there is nothing to decode, and why */
};

struct decode_head {
    uint32_t type;
    uint32_t size; /* of what follows, bytes */
};

struct decode_format {
    uint32_t rate, channels;
};

/* Before the next samples, or at the end. */
struct decode_damage {
    uint64_t lost;      /* frames that are missing, by the times of the container */
    uint32_t short_end; /* 1: the recording ends too early */
    char reason[116];   /* "": none, the container has a gap */
};

#endif
