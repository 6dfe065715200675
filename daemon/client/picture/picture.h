// SPDX-License-Identifier: MIT
/*
 * An attention picture: the samples of one recording, its segments and words, the attention weights
 * of each token, and the layout of all that. Collected here during recognition; picture_draw.h and
 * picture_terminal.h draw it.
 *
 * Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_H

#include "daemon/transcript/transcript.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From `start` to `end`, in seconds or along an axis. */
struct picture_span {
    double start, end;
};

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

/* Divides the picture into panels of at most `longest` seconds (picture_panels); the caller frees
 * them. Errors: -ENOMEM. */
int picture_panels_plan(const struct picture *picture, double longest, struct picture_span **panels,
                        size_t *count, struct hearken_error *error);

/* The largest weight of any token, above 0, which is drawn in full colour. */
double picture_strongest(const struct picture *picture);

/* A token's mean attention weight between two times. */
double picture_weight(const struct picture_segment *segment, uint32_t token, double from,
                      double to);

/* ---- Layout: positions, in the caller's unit, and colours ---- */

/* The maximum number of panels for a recording. */
size_t picture_panels_max(double seconds, double longest);

/*
 * Divides a recording into consecutive panels of at most `longest` seconds. A panel ends in the
 * longest pause between words that leaves it at least two thirds full; without such a pause, when
 * it is full. `words` [count] in any order. A recording slightly longer than a panel becomes one
 * panel. Writes `panels` [picture_panels_max()] and returns their number, at least 1.
 */
size_t picture_panels(const struct picture_span *words, size_t count, double seconds,
                      double longest, struct picture_span *panels);

/* The seconds that the width of a panel represents, the same for all panels. */
double picture_panel_seconds(const struct picture_span *panels, size_t count);

/* Whether a panel shows a word, which it does if it contains the word's middle. The last panel also
 * shows words after the end. */
bool picture_panel_shows(const struct picture_span *panels, size_t count, size_t panel,
                         struct picture_span word);

/* Seconds between labelled ticks: 1, 2 or 5 times a power of ten, at least `apart` units. */
double picture_tick_seconds(double seconds, double width, double apart);

/* The start of a label of `width` beside `mark`, at a distance of `gap`: after it, or before it if
 * the label would not end before `plot.end`; always within the plot if the label fits there. */
double picture_label_at(struct picture_span mark, double width, double gap,
                        struct picture_span plot);

struct picture_colour {
    uint8_t red, green, blue; /* sRGB */
};

#define PICTURE_MAP_COLOURS 256

struct picture_map {
    struct picture_colour colours[PICTURE_MAP_COLOURS];
};

enum picture_map_name {
    PICTURE_MAP_SOUND,       /* black, purple, orange, nearly white: for a dark background */
    PICTURE_MAP_SOUND_LIGHT, /* the reverse, from white to black: for a light background */
    PICTURE_MAP_ATTENTION,   /* white to dark blue */
};

void picture_map_init(struct picture_map *map, enum picture_map_name name);

/* `value` is clamped to 0..1; NaN counts as 0. */
struct picture_colour picture_map_at(const struct picture_map *map, double value);

#endif
