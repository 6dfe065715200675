// SPDX-License-Identifier: MIT
/*
 * Where things go in an attention picture: the arithmetic, without any drawing. Lengths are in
 * whatever unit the caller draws in.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_LAYOUT_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From `start` to `end`, in seconds or along an axis. */
struct picture_span {
    double start, end;
};

/* How many panels a recording can need at most. */
size_t picture_panels_max(double seconds, double longest);

/*
 * Cuts a recording into panels of at most `longest` seconds, one after the other without gaps:
 * between words, in the longest pause that leaves a panel at least two thirds full; where there is
 * none, when it is full. `words` [count] in any order. A recording that is hardly longer than a
 * panel is one. Writes `panels` [picture_panels_max()] and returns their number, at least 1.
 */
size_t picture_panels(const struct picture_span *words, size_t count, double seconds,
                      double longest, struct picture_span *panels);

/* Seconds that a panel's width stands for: the same in all of them. */
double picture_panel_seconds(const struct picture_span *panels, size_t count);

/* Whether a panel shows a word: the one that its middle lies in. The last shows also what is said
 * to lie behind the end. */
bool picture_panel_shows(const struct picture_span *panels, size_t count, size_t panel,
                         struct picture_span word);

/* Seconds between labelled ticks: 1, 2 or 5 times a power of ten, at least `apart` units each. */
double picture_tick_seconds(double seconds, double width, double apart);

/* Where a label of `width` begins beside `mark`, `gap` off: behind it, or before it if it would not
 * end before `plot.end`; within the plot in any case if it fits there at all. */
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
    PICTURE_MAP_SOUND,       /* black, purple, orange, nearly white: for dark ground */
    PICTURE_MAP_SOUND_LIGHT, /* white to black by way of these: for light ground */
    PICTURE_MAP_ATTENTION,   /* white to dark blue */
};

void picture_map_init(struct picture_map *map, enum picture_map_name name);

/* `value` 0..1; what lies outside, or is no number, is taken for the end that is nearer, or 0. */
struct picture_colour picture_map_at(const struct picture_map *map, double value);

#endif
