// SPDX-License-Identifier: MIT
/*
 * The layout of an attention picture: computes positions and colours, draws nothing. Lengths are in
 * the caller's unit.
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
