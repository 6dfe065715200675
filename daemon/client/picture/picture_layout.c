// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_layout.h"

#include <math.h>

/* A panel is at least this full, but the last. */
#define FULL_ENOUGH (2.0 / 3)

/* So much longer than a panel may a recording be that is shown as one. */
#define ONE_PANEL 1.2

size_t picture_panels_max(double seconds, double longest)
{
    return (size_t)ceil(fmax(seconds, 0) / (longest * FULL_ENOUGH)) + 1;
}

/* The time without words around `at`: none if a word lies across it. */
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
