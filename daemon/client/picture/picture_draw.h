// SPDX-License-Identifier: MIT
/*
 * Draws the attention picture for a document: a head, and panels one below the other, each with the
 * segments, the spectrogram, and the alignment with a row for each word on one time axis. PNG and
 * SVG are the same drawing.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_DRAW_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_DRAW_H

#include "daemon/client/picture/picture.h"

#include <cairo.h>

/* Units. If the picture fills a slide, 15 units are 12 points. */
#define PICTURE_WIDTH 1280.0

/* A word and its row of the alignment. */
struct picture_row {
    const struct picture_segment *segment;
    const struct picture_word *word;
    double top, height; /* units; `top` from the top of the panel's alignment */
};

/* From top to bottom: segments, spectrogram, alignment, axis. */
struct picture_panel {
    struct picture_span time;
    double top;       /* of the spectrogram; the segments are above it */
    double alignment; /* its height */
    size_t row_count;
    struct picture_row *rows; /* points into the drawing's rows */
};

/* The layout. */
struct picture_drawing {
    const struct picture *picture;
    const char *title;  /* valid UTF-8 */
    double height;      /* units */
    double spectrogram; /* height of each spectrogram */
    double label;       /* font size of the words */
    double units;       /* width of a second */
    double strongest;   /* the weight drawn in full colour */
    float *levels;      /* [frames, PICTURE_BANDS] */
    size_t frames;
    size_t panel_count;
    struct picture_span *times; /* of the panels */
    struct picture_panel *panels;
    struct picture_row *rows;
    struct picture_map sound, attention;
};

/*
 * Lays out as many panels as fit into `height_max` units. The picture and `title` must outlive the
 * drawing. Errors: -ENOMEM; -EFBIG if no panel fits.
 */
int picture_drawing_init(struct picture_drawing *drawing, const struct picture *picture,
                         const char *title, double height_max, struct hearken_error *error);

void picture_drawing_finish(struct picture_drawing *drawing);

/* The seconds of the recording that the panels show. */
double picture_drawing_shown(const struct picture_drawing *drawing);

/* Draws PICTURE_WIDTH x drawing->height units on a white background. Errors are in `cairo`'s
 * status.
 */
void picture_draw(const struct picture_drawing *drawing, cairo_t *cairo);

/* ---- Parts ---- */

#define PICTURE_LEFT  64.0 /* margins */
#define PICTURE_RIGHT 36.0
#define PICTURE_PLOT  (PICTURE_WIDTH - PICTURE_LEFT - PICTURE_RIGHT)

enum picture_weight { PICTURE_PLAIN, PICTURE_BOLD };

/* Grey levels of text and lines, 0 black to 1 white. */
#define PICTURE_INK   0.13
#define PICTURE_FAINT 0.42
#define PICTURE_LINE  0.78

void picture_font(cairo_t *cairo, double size, enum picture_weight weight);

/* Draws text with its left end, middle or right end (`align` 0, 0.5, 1) at x and its baseline at y.
 */
void picture_text(cairo_t *cairo, double x, double y, double align, const char *text);

void picture_draw_panel(const struct picture_drawing *drawing, const struct picture_panel *panel,
                        cairo_t *cairo);

/* The image of a panel's alignment, or NULL: no memory. */
cairo_surface_t *picture_alignment_image(const struct picture_drawing *drawing,
                                         const struct picture_panel *panel);

/* The image of `count` frames of the spectrogram from `first` on, PICTURE_BANDS high. */
cairo_surface_t *picture_spectrogram_image(const struct picture_drawing *drawing, size_t first,
                                           size_t count);

#endif
