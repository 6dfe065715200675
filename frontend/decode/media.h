// SPDX-License-Identifier: MIT
/*
 * An audio track of a container, by FFmpeg's libraries. Only formats and codecs of a list are
 * tried, everything is read from one descriptor, and a name in the file opens nothing.
 */
#ifndef HEARKEN_FRONTEND_DECODE_MEDIA_H
#define HEARKEN_FRONTEND_DECODE_MEDIA_H

#include "frontend/sound/sound_track.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct media;

/* A piece of sound, or what is wrong where it should be. */
struct media_block {
    uint32_t rate, channels;
    const float *samples; /* [frames, channels], valid until the next call */
    size_t frames;        /* 0: the end */
    uint64_t lost;        /* frames that are missing before these */
    const char *damage;   /* before these frames, or NULL */
    bool short_end;       /* at the end: the recording ends too early */
};

/*
 * `input`: a regular file of `size` bytes, of which only pread is used. `track`: counted from 1
 * among the audio tracks; 0: the one that the container prefers, or the first. On failure `reason`
 * says why, and the result is a negative errno.
 */
int media_open(int input, uint64_t size, unsigned track, struct media **media, char *reason,
               size_t reason_size);

/* Track `index`, counted from 0; false if there are no more. */
bool media_track(const struct media *media, size_t index, struct sound_track *track);

/* Returns 0, or -ENOMEM. */
int media_read(struct media *media, struct media_block *block);

void media_close(struct media *media);

#endif
