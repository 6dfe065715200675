// SPDX-License-Identifier: MIT
/*
 * The contents of an attention picture: the samples of one recording, its segments and words, and
 * the attention weights of each token. Collected here during recognition; picture_draw.h and
 * picture_terminal.h draw it.
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

/* Limit of the picture, for its size and the memory. */
#define PICTURE_SECONDS_MAX 180.0

/* Mel bands of the spectrogram. */
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
    uint32_t tokens, steps; /* 0 without an alignment */
    double first_step;      /* time of the first step, seconds */
    double step_seconds;
    float *weights; /* [tokens, steps], 0..1 */
};

struct picture {
    double seconds;      /* of audio added, including what is not shown */
    size_t sample_count; /* of the audio shown */
    float *samples;      /* mono at HEARKEN_RATE */
    size_t sample_capacity;
    size_t segment_count; /* segments that begin within the limit */
    struct picture_segment *segments;
    size_t word_count, weight_count; /* of all segments */
};

void picture_init(struct picture *picture);

void picture_finish(struct picture *picture);

/* Adds samples of the recording. Errors: -ENOMEM. */
int picture_add_samples(struct picture *picture, const float *samples, size_t count);

/* Adds a segment; `alignment` may be NULL. Input from a server is checked. Errors: -ENOMEM. */
int picture_add(struct picture *picture, const struct transcript_segment *segment,
                const struct hearken_alignment *alignment);

/* Seconds of audio that the picture shows. */
double picture_shown_seconds(const struct picture *picture);

/* The spectrogram [*frames, PICTURE_BANDS], with values from 0 (60 dB below the maximum, or less)
 * to 1; the caller frees it. Errors: as hearken_spectrogram. */
int picture_spectrogram(const struct picture *picture, float **levels, size_t *frames,
                        struct hearken_error *error);

/* Divides the picture into panels of at most `longest` seconds (picture_layout.h); the caller frees
 * them. Errors: -ENOMEM. */
int picture_panels_plan(const struct picture *picture, double longest, struct picture_span **panels,
                        size_t *count, struct hearken_error *error);

/* The largest weight of any token, above 0, which is drawn in full colour. */
double picture_strongest(const struct picture *picture);

/* A token's mean attention weight between two times. */
double picture_weight(const struct picture_segment *segment, uint32_t token, double from,
                      double to);

#endif
