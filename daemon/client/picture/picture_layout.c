// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_layout.h"

#include <math.h>
#include <stddef.h>

/* The least share of a panel that is filled, except for the last. */
#define FULL_ENOUGH (2.0 / 3)

/* A recording up to this many times as long as a panel becomes one panel. */
#define ONE_PANEL 1.2

size_t picture_panels_max(double seconds, double longest)
{
    return (size_t)ceil(fmax(seconds, 0) / (longest * FULL_ENOUGH)) + 1;
}

/* The pause between words around `at`; empty if `at` is within a word. */
static struct picture_span pause_at(const struct picture_span *words, size_t count, double at)
{
    struct picture_span pause = {-INFINITY, INFINITY};
    for (size_t i = 0; i < count; i++) {
        if (words[i].start < at && words[i].end > at)
            return (struct picture_span){at, at - 1};
        if (words[i].end <= at)
            pause.start = fmax(pause.start, words[i].end);
        else
            pause.end = fmin(pause.end, words[i].start);
    }
    return pause;
}

/* The middle of the longest pause between `from` and `to`, else `to`. */
static double cut_between(const struct picture_span *words, size_t count, double from, double to)
{
    double best = to, longest = -1;
    for (size_t i = 0; i <= count; i++) {
        double at = i < count ? fmax(words[i].end, from) : from;
        if (!(at <= to))
            continue;
        struct picture_span pause = pause_at(words, count, at);
        double length = fmin(pause.end, to) - at;
        if (pause.end >= pause.start && length >= longest) {
            longest = length;
            best = at + length / 2;
        }
    }
    return best;
}

size_t picture_panels(const struct picture_span *words, size_t count, double seconds,
                      double longest, struct picture_span *panels)
{
    size_t made = 0;
    double start = 0;
    while (seconds - start > longest && !(made == 0 && seconds <= longest * ONE_PANEL)) {
        double cut = cut_between(words, count, start + longest * FULL_ENOUGH, start + longest);
        panels[made++] = (struct picture_span){start, cut};
        start = cut;
    }
    panels[made++] = (struct picture_span){start, fmax(seconds, start)};
    return made;
}

double picture_panel_seconds(const struct picture_span *panels, size_t count)
{
    double seconds = 0;
    for (size_t i = 0; i < count; i++)
        seconds = fmax(seconds, panels[i].end - panels[i].start);
    return fmax(seconds, 0.1);
}

bool picture_panel_shows(const struct picture_span *panels, size_t count, size_t panel,
                         struct picture_span word)
{
    double middle = (word.start + word.end) / 2;
    bool last = panel + 1 == count;
    return middle >= panels[panel].start && (middle < panels[panel].end || last);
}

double picture_tick_seconds(double seconds, double width, double apart)
{
    static const double steps[] = {1, 2, 5};
    double least = seconds * apart / width;
    for (double power = 0.1;; power *= 10)
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            if (steps[i] * power >= least || power > 1e9)
                return steps[i] * power;
}

double picture_label_at(struct picture_span mark, double width, double gap,
                        struct picture_span plot)
{
    double at = mark.end + gap;
    if (at + width > plot.end)
        at = mark.start - gap - width;
    return fmax(fmin(at, plot.end - width), plot.start);
}

#define POINTS 9

/* ---- Colours ---- */

/* "magma" of S. van der Walt and N. Smith, 2015 (https://bids.github.io/colormap/, CC0), sampled at
 * every eighth of its length. */
static const uint32_t magma[POINTS] = {0x000004, 0x1d1147, 0x51127c, 0x832681, 0xb73779,
                                       0xe75263, 0xfc8961, 0xfec488, 0xfcfdbf};

/* The reverse, but starting with white, the colour of the background. */
static const uint32_t magma_light[POINTS] = {0xffffff, 0xfec488, 0xfc8961, 0xe75263, 0xb73779,
                                             0x832681, 0x51127c, 0x1d1147, 0x000004};

/* "Blues" of C. Brewer's ColorBrewer (https://colorbrewer2.org/), nine classes, starting with white
 * too. */
static const uint32_t blues[POINTS] = {0xffffff, 0xdeebf7, 0xc6dbef, 0x9ecae1, 0x6baed6,
                                       0x4292c6, 0x2171b5, 0x08519c, 0x08306b};

/* ---- CIELAB of sRGB (IEC 61966-2-1), white D65 ---- */

struct lab {
    double l, a, b;
};

static double linear_of(uint32_t byte)
{
    double value = byte / 255.0;
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

static uint8_t byte_of(double linear)
{
    double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)lrint(fmin(fmax(value, 0), 1) * 255);
}

static const double white[3] = {0.95047, 1, 1.08883};

static double compress(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

static double expand(double f)
{
    return f > 6.0 / 29 ? f * f * f : (116 * f - 16) * 27 / 24389;
}

static struct lab lab_of(uint32_t colour)
{
    double r = linear_of(colour >> 16), g = linear_of(colour >> 8 & 0xff);
    double b = linear_of(colour & 0xff);
    double x = compress((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / white[0]);
    double y = compress((0.2126729 * r + 0.7151522 * g + 0.0721750 * b) / white[1]);
    double z = compress((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / white[2]);
    return (struct lab){116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

static struct picture_colour colour_of(struct lab lab)
{
    double f = (lab.l + 16) / 116;
    double x = white[0] * expand(f + lab.a / 500), y = white[1] * expand(f);
    double z = white[2] * expand(f - lab.b / 200);
    return (struct picture_colour){
        byte_of(3.2404542 * x - 1.5371385 * y - 0.4985314 * z),
        byte_of(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z),
        byte_of(0.0556434 * x - 0.2040259 * y + 1.0572252 * z),
    };
}

/* ---- The maps ---- */

static double distance(struct lab one, struct lab other)
{
    return hypot(hypot(one.l - other.l, one.a - other.a), one.b - other.b);
}

static struct lab between(struct lab one, struct lab other, double share)
{
    return (struct lab){one.l + (other.l - one.l) * share, one.a + (other.a - one.a) * share,
                        one.b + (other.b - one.b) * share};
}

void picture_map_init(struct picture_map *map, enum picture_map_name name)
{
    static const uint32_t *const sources[] = {magma, magma_light, blues};
    const uint32_t *points = sources[name];
    struct lab labs[POINTS];
    double way[POINTS] = {0};
    for (size_t i = 0; i < POINTS; i++) {
        labs[i] = lab_of(points[i]);
        if (i > 0)
            way[i] = way[i - 1] + distance(labs[i - 1], labs[i]);
    }
    size_t leg = 0;
    for (size_t i = 0; i < PICTURE_MAP_COLOURS; i++) {
        double at = way[POINTS - 1] * (double)i / (PICTURE_MAP_COLOURS - 1);
        while (leg + 2 < POINTS && at > way[leg + 1])
            leg++;
        double share = (at - way[leg]) / (way[leg + 1] - way[leg]);
        map->colours[i] = colour_of(between(labs[leg], labs[leg + 1], share));
    }
}

struct picture_colour picture_map_at(const struct picture_map *map, double value)
{
    double inside = value > 0 ? fmin(value, 1) : 0;
    return map->colours[lrint(inside * (PICTURE_MAP_COLOURS - 1))];
}
