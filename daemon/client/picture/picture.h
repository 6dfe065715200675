// SPDX-License-Identifier: MIT
/*
 * What the attention picture of one recording shows: its sound, the segments recognised in it,
 * their words, and where the speller listened as it wrote each token. It is gathered here while the
 * recording is recognised; picture_draw.h and picture_terminal.h draw it.
 *
 * Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_H

#include "daemon/client/output/transcript.h"
#include "daemon/client/picture/picture_layout.h"

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>

/* What lies behind is not shown: a picture that nobody could look at, and memory without bound. */
#define PICTURE_SECONDS_MAX 180.0

/* Mel bands of its spectrogram. */
#define PICTURE_BANDS 80u

struct picture_word {
    char *text; /* valid UTF-8 without control characters */
    double start, end;
    uint32_t first_token, token_count; /* rows of the segment's weights */
};

struct picture_segment {
    double start, end;
    size_t word_count;
    struct picture_word *words;
    uint32_t tokens, steps; /* 0 where the alignment is not known */
    double first_step;      /* time of it */
    double step_seconds;
    float *weights; /* [tokens, steps], 0..1 */
};

struct picture {
    double seconds;      /* of sound that came, shown or not */
    size_t sample_count; /* of the sound that is shown */
    float *samples;      /* mono at HEARKEN_RATE */
    size_t sample_capacity;
    size_t segment_count; /* those that begin within what is shown */
    struct picture_segment *segments;
    size_t word_count, weight_count; /* of all segments */
};

void picture_init(struct picture *picture);

void picture_finish(struct picture *picture);

/* Sound as it is read. Errors: -ENOMEM. */
int picture_add_samples(struct picture *picture, const float *samples, size_t count);

/* A segment; `alignment` NULL: not known. It need not be trusted. Errors: -ENOMEM. */
int picture_add(struct picture *picture, const struct transcript_segment *segment,
                const struct hearken_alignment *alignment);

/* Seconds of sound that are there to be shown. */
double picture_shown_seconds(const struct picture *picture);

/* The spectrogram of what is shown, [*frames, PICTURE_BANDS], each 0 (60 dB below the loudest, or
 * less) to 1; to be freed. Errors: as hearken_spectrogram. */
int picture_spectrogram(const struct picture *picture, float **levels, size_t *frames,
                        struct hearken_error *error);

/* Cuts what is shown into panels of at most `longest` seconds (picture_layout.h); to be freed.
 * Errors: -ENOMEM. */
int picture_panels_plan(const struct picture *picture, double longest, struct picture_span **panels,
                        size_t *count, struct hearken_error *error);

/* The largest weight of any token: full colour. Above 0. */
double picture_strongest(const struct picture *picture);

/* How much the speller listened between two times as it wrote a token: the mean weight there. */
double picture_weight(const struct picture_segment *segment, uint32_t token, double from,
                      double to);

#endif
