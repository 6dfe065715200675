// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_draw.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_PANEL 10.0 /* seconds */

#define HEAD                 70.0 /* heights in units */
#define SEGMENTS             22.0
#define SPECTROGRAM          150.0
#define BETWEEN              6.0 /* spectrogram and alignment */
#define AXIS                 30.0
#define BELOW_PANEL          26.0
#define FOOT                 14.0
#define ROW                  18.0 /* least height of a word's row, of a token's part of it, and most */
#define TOKEN                10.0
#define ROW_MAX              60.0
#define SLIDE                (PICTURE_WIDTH * 9 / 16) /* what a single panel grows to fill */
#define LABEL                15.0
#define LABEL_MAX            20.0
#define ROW_GROWN            1.5
#define PLOT_MIN             115.0 /* height of the spectrogram then */
#define PLOT_MAX             260.0
#define ALIGNMENT_OF_NOTHING 60.0

/* ---- Layout ---- */

static int no_memory(struct hearken_error *error)
{
    return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
}

static int plan_panels(struct picture_drawing *drawing, struct hearken_error *error)
{
    int result = picture_panels_plan(drawing->picture, LONGEST_PANEL, &drawing->times,
                                     &drawing->panel_count, error);
    if (result < 0)
        return result;
    drawing->panels = calloc(drawing->panel_count, sizeof(*drawing->panels));
    if (!drawing->panels)
        return no_memory(error);
    drawing->units = PICTURE_PLOT / picture_panel_seconds(drawing->times, drawing->panel_count);
    for (size_t i = 0; i < drawing->panel_count; i++)
        drawing->panels[i].time = drawing->times[i];
    return 0;
}

static void add_rows(struct picture_drawing *drawing, size_t index)
{
    struct picture_panel *panel = &drawing->panels[index];
    for (size_t i = 0; i < drawing->picture->segment_count; i++) {
        const struct picture_segment *segment = &drawing->picture->segments[i];
        for (size_t k = 0; k < segment->word_count; k++) {
            const struct picture_word *word = &segment->words[k];
            if (!picture_panel_shows(drawing->times, drawing->panel_count, index,
                                     (struct picture_span){word->start, word->end}))
                continue;
            double height = fmin(fmax(ROW, TOKEN * word->token_count), ROW_MAX);
            panel->rows[panel->row_count++] =
                (struct picture_row){segment, word, panel->alignment, height};
            panel->alignment += height;
        }
    }
    if (panel->row_count == 0)
        panel->alignment = ALIGNMENT_OF_NOTHING;
}

static int plan_rows(struct picture_drawing *drawing, struct hearken_error *error)
{
    drawing->rows = calloc(drawing->picture->word_count + 1, sizeof(*drawing->rows));
    if (!drawing->rows)
        return no_memory(error);
    struct picture_row *rows = drawing->rows;
    for (size_t i = 0; i < drawing->panel_count; i++) {
        drawing->panels[i].rows = rows;
        add_rows(drawing, i);
        rows += drawing->panels[i].row_count;
    }
    return 0;
}

/* A single panel becomes as high as a slide: its rows grow, then its spectrogram; or that shrinks.
 */
static void fill_slide(struct picture_drawing *drawing, double height)
{
    struct picture_panel *panel = drawing->panels;
    double wanted = panel->alignment + SLIDE - height;
    double factor = fmin(fmax(wanted / panel->alignment, 1), ROW_GROWN);
    panel->alignment *= factor;
    drawing->label = fmin(LABEL * factor, LABEL_MAX);
    for (size_t i = 0; i < panel->row_count; i++) {
        panel->rows[i].top *= factor;
        panel->rows[i].height *= factor;
    }
    double rest = wanted - panel->alignment;
    drawing->spectrogram = fmin(fmax(SPECTROGRAM + rest, PLOT_MIN), PLOT_MAX);
}

/* Puts the panels below each other and returns the height of all. */
static double stack_panels(struct picture_drawing *drawing)
{
    double y = HEAD;
    for (size_t i = 0; i < drawing->panel_count; i++) {
        drawing->panels[i].top = y + SEGMENTS;
        y += SEGMENTS + drawing->spectrogram + BETWEEN + drawing->panels[i].alignment + AXIS;
        y += i + 1 < drawing->panel_count ? BELOW_PANEL : FOOT;
    }
    return y;
}

static int lay_out(struct picture_drawing *drawing, double height_max, struct hearken_error *error)
{
    int result = plan_panels(drawing, error);
    if (result == 0)
        result = plan_rows(drawing, error);
    if (result < 0)
        return result;
    drawing->spectrogram = SPECTROGRAM;
    drawing->label = LABEL;
    drawing->height = stack_panels(drawing);
    if (drawing->panel_count == 1) {
        fill_slide(drawing, drawing->height);
        drawing->height = stack_panels(drawing);
    }
    while (drawing->height > height_max && drawing->panel_count > 1) {
        drawing->panel_count--; /* what fits is shown */
        drawing->height = stack_panels(drawing);
    }
    drawing->height = ceil(drawing->height);
    if (drawing->height > height_max)
        return hearken_fail(error, -EFBIG, "the picture would be too high: %zu words in %.0f s",
                            drawing->panels[0].row_count, drawing->panels[0].time.end);
    return 0;
}

int picture_drawing_init(struct picture_drawing *drawing, const struct picture *picture,
                         const char *title, double height_max, struct hearken_error *error)
{
    *drawing = (struct picture_drawing){.picture = picture, .title = title};
    picture_map_init(&drawing->sound, PICTURE_MAP_SOUND_LIGHT);
    picture_map_init(&drawing->attention, PICTURE_MAP_ATTENTION);
    drawing->strongest = picture_strongest(picture);
    int result = lay_out(drawing, height_max, error);
    if (result == 0)
        result = picture_spectrogram(picture, &drawing->levels, &drawing->frames, error);
    if (result < 0)
        picture_drawing_finish(drawing);
    return result;
}

void picture_drawing_finish(struct picture_drawing *drawing)
{
    free(drawing->levels);
    free(drawing->rows);
    free(drawing->panels);
    free(drawing->times);
}

double picture_drawing_shown(const struct picture_drawing *drawing)
{
    return drawing->panels[drawing->panel_count - 1].time.end;
}

/* ---- Text ---- */

void picture_font(cairo_t *cairo, double size, enum picture_weight weight)
{
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           weight == PICTURE_BOLD ? CAIRO_FONT_WEIGHT_BOLD
                                                  : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
}

void picture_text(cairo_t *cairo, double x, double y, double align, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - align * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

/* ---- The head ---- */

#define RAMP_WIDTH  120.0
#define RAMP_HEIGHT 10.0

/* A map's colours with what its ends and it mean, its right end at x. Returns its left end. */
static double draw_ramp(cairo_t *cairo, const struct picture_map *map, double x,
                        const char *const texts[3])
{
    double y = 30;
    x -= RAMP_WIDTH;
    cairo_pattern_t *pattern = cairo_pattern_create_linear(x, 0, x + RAMP_WIDTH, 0);
    for (int i = 0; i <= 16; i++) {
        struct picture_colour colour = picture_map_at(map, i / 16.0);
        cairo_pattern_add_color_stop_rgb(pattern, i / 16.0, colour.red / 255.0,
                                         colour.green / 255.0, colour.blue / 255.0);
    }
    cairo_rectangle(cairo, x, y, RAMP_WIDTH, RAMP_HEIGHT);
    cairo_set_source(cairo, pattern);
    cairo_fill_preserve(cairo);
    cairo_pattern_destroy(pattern);
    cairo_set_source_rgb(cairo, PICTURE_LINE, PICTURE_LINE, PICTURE_LINE);
    cairo_set_line_width(cairo, 1);
    cairo_stroke(cairo);
    cairo_set_source_rgb(cairo, PICTURE_FAINT, PICTURE_FAINT, PICTURE_FAINT);
    picture_font(cairo, 13, PICTURE_PLAIN);
    picture_text(cairo, x, y - 6, 0, texts[0]);
    picture_text(cairo, x, y + RAMP_HEIGHT + 14, 0, texts[1]);
    picture_text(cairo, x + RAMP_WIDTH, y + RAMP_HEIGHT + 14, 1, texts[2]);
    return x;
}

/* The longest beginning of the title that fits, with an ellipsis. */
static void draw_title(cairo_t *cairo, const char *title, double width)
{
    char text[256];
    cairo_text_extents_t extents;
    size_t length = strlen(title);
    snprintf(text, sizeof(text), "%.*s", (int)(sizeof(text) - 4), title);
    for (bool whole = length < sizeof(text) - 4;; whole = false) {
        length = length < sizeof(text) - 4 ? length : sizeof(text) - 4;
        while (!whole && length > 0 && ((unsigned char)title[length] & 0xc0) == 0x80)
            length--;
        snprintf(text, sizeof(text), "%.*s%s", (int)length, title, whole ? "" : "\xe2\x80\xa6");
        cairo_text_extents(cairo, text, &extents);
        if (extents.x_advance <= width || length == 0)
            break;
        length--;
    }
    picture_text(cairo, PICTURE_LEFT, 34, 0, text);
}

static void draw_head(const struct picture_drawing *drawing, cairo_t *cairo)
{
    static const char *const attention[] = {"attention", "0", "strongest"};
    static const char *const sound[] = {"sound", "-60 dB", "loudest"};
    double x = draw_ramp(cairo, &drawing->attention, PICTURE_WIDTH - PICTURE_RIGHT, attention);
    x = draw_ramp(cairo, &drawing->sound, x - 36, sound);
    cairo_set_source_rgb(cairo, PICTURE_INK, PICTURE_INK, PICTURE_INK);
    picture_font(cairo, 22, PICTURE_BOLD);
    draw_title(cairo, drawing->title, x - 24 - PICTURE_LEFT);
    char text[128];
    double shown = picture_drawing_shown(drawing), all = drawing->picture->seconds;
    if (all > shown + 0.001)
        snprintf(text, sizeof(text), "the first %.0f s of %.0f s", shown, all);
    else
        snprintf(text, sizeof(text), "%.1f s, %zu words", all, drawing->picture->word_count);
    cairo_set_source_rgb(cairo, PICTURE_FAINT, PICTURE_FAINT, PICTURE_FAINT);
    picture_font(cairo, 15, PICTURE_PLAIN);
    picture_text(cairo, PICTURE_LEFT, 55, 0, text);
}

void picture_draw(const struct picture_drawing *drawing, cairo_t *cairo)
{
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    draw_head(drawing, cairo);
    for (size_t i = 0; i < drawing->panel_count; i++)
        picture_draw_panel(drawing, &drawing->panels[i], cairo);
}
