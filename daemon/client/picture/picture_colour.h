// SPDX-License-Identifier: MIT
/*
 * Colour maps. Equal steps of a value are equal steps of colour to the eye: the published colours
 * are joined by straight lines in CIELAB (CIE 15:2004), and these are walked at an even pace.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_COLOUR_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_COLOUR_H

#include <stdint.h>

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
