// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN     6.0 /* spectrogram and alignment */
#define LABEL_GAP   7.0
#define TICK_APART  70.0
#define ACCENT      0.00, 0.45, 0.42 /* segments */
#define FAINT_SHARE 0.15             /* of full colour: what a label stays clear of, */
#define NEAR        0.7              /* if it is so many seconds from the word at most */

static void grey(cairo_t *cairo, double level)
{
    cairo_set_source_rgb(cairo, level, level, level);
}

static double x_of(const struct picture_drawing *drawing, const struct picture_panel *panel,
                   double time)
{
    return PICTURE_LEFT + (time - panel->time.start) * drawing->units;
}

static double right_of(const struct picture_drawing *drawing, const struct picture_panel *panel)
{
    return x_of(drawing, panel, panel->time.end);
}

static double alignment_top(const struct picture_drawing *drawing,
                            const struct picture_panel *panel)
{
    return panel->top + drawing->spectrogram + BETWEEN;
}

/* An image stretched over a rectangle. */
static void draw_image(cairo_t *cairo, cairo_surface_t *image, double x, double y, double width,
                       double height)
{
    if (cairo_surface_status(image) != CAIRO_STATUS_SUCCESS) {
        cairo_set_source_surface(cairo, image, 0, 0); /* so that the error is not lost */
        return;
    }
    if (!(width > 0 && height > 0))
        return;
    cairo_save(cairo);
    cairo_rectangle(cairo, x, y, width, height);
    cairo_clip(cairo);
    cairo_translate(cairo, x, y);
    cairo_scale(cairo, width / cairo_image_surface_get_width(image),
                height / cairo_image_surface_get_height(image));
    cairo_set_source_surface(cairo, image, 0, 0);
    cairo_pattern_set_extend(cairo_get_source(cairo), CAIRO_EXTEND_PAD);
    cairo_pattern_set_filter(cairo_get_source(cairo), CAIRO_FILTER_BILINEAR);
    cairo_paint(cairo);
    cairo_restore(cairo);
}

static void frame(cairo_t *cairo, double x, double y, double width, double height)
{
    grey(cairo, PICTURE_LINE);
    cairo_set_line_width(cairo, 1);
    cairo_rectangle(cairo, x, y, width, height);
    cairo_stroke(cairo);
}

/* ---- Segments ---- */

static void draw_segments(const struct picture_drawing *drawing, const struct picture_panel *panel,
                          cairo_t *cairo)
{
    const struct picture *picture = drawing->picture;
    for (size_t i = 0; i < picture->segment_count; i++) {
        const struct picture_segment *segment = &picture->segments[i];
        double from = fmax(segment->start, panel->time.start);
        double to = fmin(segment->end, panel->time.end);
        if (!(to > from))
            continue;
        double x = x_of(drawing, panel, from), end = x_of(drawing, panel, to);
        double y = panel->top - 6;
        cairo_set_source_rgb(cairo, ACCENT);
        cairo_rectangle(cairo, x, y - 2, end - x, 4);
        if (segment->start >= panel->time.start)
            cairo_rectangle(cairo, x, y - 7, 2, 11);
        if (segment->end <= panel->time.end)
            cairo_rectangle(cairo, end - 2, y - 7, 2, 11);
        cairo_fill(cairo);
        char text[64];
        cairo_text_extents_t extents;
        snprintf(text, sizeof(text), "segment %zu", i + 1);
        picture_font(cairo, 12, PICTURE_PLAIN);
        cairo_text_extents(cairo, text, &extents);
        if (extents.x_advance + 12 < end - x)
            picture_text(cairo, x + 6, y - 5, 0, text);
    }
}

/* ---- Spectrogram ---- */

static void draw_frequencies(const struct picture_drawing *drawing,
                             const struct picture_panel *panel, cairo_t *cairo)
{
    static const struct {
        double hertz;
        const char *text;
    } marks[] = {{500, "0.5"}, {1000, "1"}, {2000, "2"}, {4000, "4"}, {7000, "7 kHz"}};
    uint32_t band = 0;
    picture_font(cairo, 12, PICTURE_PLAIN);
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        while (band + 1 < PICTURE_BANDS &&
               hearken_spectrogram_frequency(PICTURE_BANDS, band) < marks[i].hertz)
            band++;
        double y = panel->top + drawing->spectrogram * (1 - (band + 0.5) / PICTURE_BANDS);
        grey(cairo, PICTURE_LINE);
        cairo_rectangle(cairo, PICTURE_LEFT - 5, y - 0.5, 5, 1);
        cairo_fill(cairo);
        grey(cairo, PICTURE_FAINT);
        picture_text(cairo, PICTURE_LEFT - 9, y + 4, 1, marks[i].text);
    }
}

static void draw_spectrogram(const struct picture_drawing *drawing,
                             const struct picture_panel *panel, cairo_t *cairo)
{
    double rate = (double)HEARKEN_RATE / HEARKEN_SPECTROGRAM_HOP;
    size_t first = (size_t)fmax(floor(panel->time.start * rate), 0);
    size_t end = (size_t)ceil(panel->time.end * rate);
    end = end < drawing->frames ? end : drawing->frames;
    double x = PICTURE_LEFT, width = right_of(drawing, panel) - x;
    if (first < end) {
        cairo_surface_t *image = picture_spectrogram_image(drawing, first, end - first);
        draw_image(cairo, image, x, panel->top, width, drawing->spectrogram);
        cairo_surface_destroy(image);
    }
    frame(cairo, x, panel->top, width, drawing->spectrogram);
    draw_frequencies(drawing, panel, cairo);
}

/* ---- Alignment ---- */

/* The word's time, and where about it its tokens attend with more than a faint share. */
static struct picture_span mark_of(const struct picture_drawing *drawing,
                                   const struct picture_row *row)
{
    const struct picture_segment *segment = row->segment;
    struct picture_span mark = {row->word->start, row->word->end};
    double least = drawing->strongest * FAINT_SHARE;
    for (uint32_t t = 0; t < row->word->token_count; t++) {
        const float *weights =
            segment->weights + (size_t)(row->word->first_token + t) * segment->steps;
        for (uint32_t s = 0; s < segment->steps; s++) {
            double at = segment->first_step + s * segment->step_seconds;
            if ((double)weights[s] < least || at < row->word->start - NEAR ||
                at > row->word->end + NEAR)
                continue;
            mark.start = fmin(mark.start, at);
            mark.end = fmax(mark.end, at + segment->step_seconds);
        }
    }
    return mark;
}

static void draw_label(const struct picture_drawing *drawing, const struct picture_panel *panel,
                       const struct picture_row *row, cairo_t *cairo)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, row->word->text, &extents);
    struct picture_span mark = mark_of(drawing, row);
    struct picture_span plot = {PICTURE_LEFT + 3, right_of(drawing, panel) - 3};
    mark.start = fmax(x_of(drawing, panel, mark.start), plot.start);
    mark.end = fmin(x_of(drawing, panel, mark.end), plot.end);
    double x = picture_label_at(mark, extents.x_advance, LABEL_GAP, plot);
    double y = alignment_top(drawing, panel) + row->top + row->height / 2 + drawing->label * 0.35;
    cairo_move_to(cairo, x, y);
    cairo_text_path(cairo, row->word->text);
    cairo_set_source_rgba(cairo, 1, 1, 1, 0.85);
    cairo_set_line_width(cairo, 3);
    cairo_stroke(cairo);
    grey(cairo, PICTURE_INK);
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, row->word->text);
}

/* The time of the word: a box in its row, and a tick at the spectrogram's foot. */
static void draw_time(const struct picture_drawing *drawing, const struct picture_panel *panel,
                      const struct picture_row *row, cairo_t *cairo)
{
    double x = x_of(drawing, panel, fmax(row->word->start, panel->time.start));
    double end = x_of(drawing, panel, fmin(row->word->end, panel->time.end));
    if (!(end > x))
        return;
    cairo_rectangle(cairo, x + 0.5, alignment_top(drawing, panel) + row->top + 0.5, end - x - 1,
                    row->height - 1);
    grey(cairo, 0.55);
    cairo_set_line_width(cairo, 0.75);
    cairo_stroke(cairo);
}

static void draw_alignment(const struct picture_drawing *drawing, const struct picture_panel *panel,
                           cairo_t *cairo)
{
    double x = PICTURE_LEFT, y = alignment_top(drawing, panel);
    double width = right_of(drawing, panel) - x;
    cairo_surface_t *image = picture_alignment_image(drawing, panel);
    draw_image(cairo, image, x, y, width, panel->alignment);
    cairo_surface_destroy(image);
    for (size_t i = 0; i < panel->row_count; i++)
        draw_time(drawing, panel, &panel->rows[i], cairo);
    picture_font(cairo, drawing->label, PICTURE_PLAIN);
    for (size_t i = 0; i < panel->row_count; i++)
        draw_label(drawing, panel, &panel->rows[i], cairo);
    if (panel->row_count == 0) {
        grey(cairo, PICTURE_FAINT);
        picture_text(cairo, x + width / 2, y + panel->alignment / 2 + drawing->label * 0.35, 0.5,
                     "nothing recognised");
    }
    frame(cairo, x, y, width, panel->alignment);
}

/* ---- Axis ---- */

static void draw_axis(const struct picture_drawing *drawing, const struct picture_panel *panel,
                      cairo_t *cairo)
{
    double y = alignment_top(drawing, panel) + panel->alignment;
    double step = picture_tick_seconds(PICTURE_PLOT / drawing->units, PICTURE_PLOT, TICK_APART);
    picture_font(cairo, 14, PICTURE_PLAIN);
    for (double i = fmax(ceil(panel->time.start / step - 1e-6), 0); i * step <= panel->time.end;
         i++) {
        double x = x_of(drawing, panel, i * step);
        char text[32];
        grey(cairo, PICTURE_LINE);
        cairo_rectangle(cairo, x - 0.5, y, 1, 6);
        cairo_fill(cairo);
        snprintf(text, sizeof(text), "%.*f s", step < 1 ? 1 : 0, i * step);
        grey(cairo, PICTURE_FAINT);
        picture_text(cairo, x, y + 21, 0.5, text);
    }
}

void picture_draw_panel(const struct picture_drawing *drawing, const struct picture_panel *panel,
                        cairo_t *cairo)
{
    draw_segments(drawing, panel, cairo);
    draw_spectrogram(drawing, panel, cairo);
    draw_alignment(drawing, panel, cairo);
    draw_axis(drawing, panel, cairo);
}
