// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_draw.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN     6.0 /* spectrogram and alignment */
#define LABEL_GAP   7.0
#define TICK_APART  70.0
#define ACCENT      0.00, 0.45, 0.42 /* segments */
#define FAINT_SHARE 0.15             /* of full colour: labels avoid stronger attention */
#define NEAR        0.7              /* seconds: but only this near to the word */

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

/* Draws an image scaled to a rectangle. */
static void draw_image(cairo_t *cairo, cairo_surface_t *image, double x, double y, double width,
                       double height)
{
    if (cairo_surface_status(image) != CAIRO_STATUS_SUCCESS) {
        cairo_set_source_surface(cairo, image, 0, 0); /* passes the error on to `cairo` */
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

/* The word's time, extended by nearby attention of its tokens that is not faint. */
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

/* Marks the time of the word by a box in its row and a tick below the spectrogram. */
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

/* Pixels per unit in the image of the alignment: the resolution of a PNG. */
#define FINENESS 1.5

static uint32_t pixel_of(struct picture_colour colour)
{
    return (uint32_t)colour.red << 16 | (uint32_t)colour.green << 8 | colour.blue;
}

/* Row `y` [width] of an RGB24 image. */
static uint32_t *pixels_at(cairo_surface_t *image, int y)
{
    unsigned char *bytes = cairo_image_surface_get_data(image);
    return (uint32_t *)(void *)(bytes + (ptrdiff_t)y * cairo_image_surface_get_stride(image));
}

static cairo_surface_t *create(int width, int height)
{
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_surface_flush(image);
    return image;
}

cairo_surface_t *picture_spectrogram_image(const struct picture_drawing *drawing, size_t first,
                                           size_t count)
{
    cairo_surface_t *image = create((int)count, (int)PICTURE_BANDS);
    if (cairo_surface_status(image) != CAIRO_STATUS_SUCCESS)
        return image;
    for (uint32_t band = 0; band < PICTURE_BANDS; band++) {
        uint32_t *pixels = pixels_at(image, (int)(PICTURE_BANDS - 1 - band));
        const float *levels = drawing->levels + first * PICTURE_BANDS + band;
        for (size_t i = 0; i < count; i++)
            pixels[i] =
                pixel_of(picture_map_at(&drawing->sound, (double)levels[i * PICTURE_BANDS]));
    }
    cairo_surface_mark_dirty(image);
    return image;
}

/* Fills `pixels` [width] with the colours of a token's weights. */
static void fill_token(const struct picture_drawing *drawing, const struct picture_panel *panel,
                       const struct picture_row *row, uint32_t token, uint32_t *pixels, int width)
{
    double seconds = 1 / (drawing->units * FINENESS);
    for (int x = 0; x < width; x++) {
        double from = panel->time.start + x * seconds;
        double weight =
            picture_weight(row->segment, row->word->first_token + token, from, from + seconds);
        pixels[x] = pixel_of(picture_map_at(&drawing->attention, weight / drawing->strongest));
    }
}

/* Fills a word's row, with its tokens below each other. */
static void fill_row(const struct picture_drawing *drawing, const struct picture_panel *panel,
                     const struct picture_row *row, cairo_surface_t *image)
{
    int width = cairo_image_surface_get_width(image);
    uint32_t tokens = row->word->token_count;
    int end = (int)lrint(row->top * FINENESS);
    for (uint32_t t = 0; t < tokens; t++) {
        int y = end;
        end = (int)lrint((row->top + row->height * (t + 1) / tokens) * FINENESS);
        end = end < cairo_image_surface_get_height(image) ? end
                                                          : cairo_image_surface_get_height(image);
        if (y >= end)
            continue;
        fill_token(drawing, panel, row, t, pixels_at(image, y), width);
        for (int copy = y + 1; copy < end; copy++)
            memcpy(pixels_at(image, copy), pixels_at(image, y), (size_t)width * sizeof(uint32_t));
    }
}

cairo_surface_t *picture_alignment_image(const struct picture_drawing *drawing,
                                         const struct picture_panel *panel)
{
    double seconds = panel->time.end - panel->time.start;
    int width = (int)fmax(ceil(seconds * drawing->units * FINENESS), 1);
    cairo_surface_t *image = create(width, (int)fmax(ceil(panel->alignment * FINENESS), 1));
    if (cairo_surface_status(image) != CAIRO_STATUS_SUCCESS)
        return image;
    for (int y = 0; y < cairo_image_surface_get_height(image); y++)
        memset(pixels_at(image, y), 0xff, (size_t)width * sizeof(uint32_t));
    for (size_t i = 0; i < panel->row_count; i++)
        fill_row(drawing, panel, &panel->rows[i], image);
    cairo_surface_mark_dirty(image);
    return image;
}

#define LONGEST_PANEL 10.0 /* seconds */

/* Heights in units. */
#define HEAD                 70.0
#define SEGMENTS             22.0
#define SPECTROGRAM          150.0
#define BETWEEN              6.0 /* spectrogram and alignment */
#define AXIS                 30.0
#define BELOW_PANEL          26.0
#define FOOT                 14.0
#define ROW                  18.0 /* minimum of a word's row */
#define TOKEN                10.0 /* part of a row per token */
#define ROW_MAX              60.0
#define LABEL                15.0
#define ALIGNMENT_OF_NOTHING 60.0 /* of a panel without words */
/* For a picture of one panel, which is scaled to fill a slide. */
#define SLIDE     (PICTURE_WIDTH * 9 / 16)
#define LABEL_MAX 20.0
#define ROW_GROWN 1.5   /* largest factor of the rows */
#define PLOT_MIN  115.0 /* of the spectrogram */
#define PLOT_MAX  260.0

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

/* Makes a single panel as high as a slide: enlarges its rows, then enlarges or shrinks its
 * spectrogram. */
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

/* Sets the positions of the panels and returns their total height. */
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
        drawing->panel_count--; /* omit panels that do not fit */
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

/* Draws a colour map with its title and the labels of its ends, right-aligned at x. Returns the
 * left end. */
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

/* Truncates a title that does not fit, with an ellipsis. */
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
