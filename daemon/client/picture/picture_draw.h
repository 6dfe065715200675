// SPDX-License-Identifier: MIT
/*
 * The attention picture as it stands in a document: a head, and panels one below the other, each
 * with the segments, the spectrogram, and the alignment with a row for each word on one time axis.
 * PNG and SVG are the same drawing.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_DRAW_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_DRAW_H

#include "daemon/client/picture/picture.h"
#include "daemon/client/picture/picture_layout.h"

#include <cairo.h>

#define PICTURE_WIDTH                                                                              \
    1280.0 /* units: 12 points of type are 15 of them on a slide that it fills                     \
            */

/* A word with the row that it stands in. */
struct picture_row {
    const struct picture_segment *segment;
    const struct picture_word *word;
    double top, height; /* from the top of the panel's alignment */
};

/* From top to bottom: segments, spectrogram, alignment, axis. */
struct picture_panel {
    struct picture_span time;
    double top;       /* of the spectrogram; the segments are above */
    double alignment; /* height of it */
    size_t row_count;
    struct picture_row *rows; /* within the drawing's */
};

/* What is laid out. */
struct picture_drawing {
    const struct picture *picture;
    const char *title;  /* valid UTF-8 */
    double height;      /* units */
    double spectrogram; /* height of each */
    double label;       /* size of the words' type */
    double units;       /* of width for a second */
    double strongest;   /* the weight that has full colour */
    float *levels;      /* [frames, PICTURE_BANDS] */
    size_t frames;
    size_t panel_count;
    struct picture_span *times; /* of the panels */
    struct picture_panel *panels;
    struct picture_row *rows;
    struct picture_map sound, attention;
};

/*
 * Lays out a picture, which must outlive the drawing, as must `title`: as many panels as
 * `height_max` units hold. Errors: -ENOMEM; -EFBIG when that is none.
 */
int picture_drawing_init(struct picture_drawing *drawing, const struct picture *picture,
                         const char *title, double height_max, struct hearken_error *error);

void picture_drawing_finish(struct picture_drawing *drawing);

/* Seconds that the panels show. */
double picture_drawing_shown(const struct picture_drawing *drawing);

/* Draws on a white ground of PICTURE_WIDTH x drawing->height units; errors stay in `cairo`. */
void picture_draw(const struct picture_drawing *drawing, cairo_t *cairo);

/* ---- The parts (picture_draw_panel.c) ---- */

#define PICTURE_LEFT  64.0 /* margins */
#define PICTURE_RIGHT 36.0
#define PICTURE_PLOT  (PICTURE_WIDTH - PICTURE_LEFT - PICTURE_RIGHT)

enum picture_weight { PICTURE_PLAIN, PICTURE_BOLD };

/* Grey of text and lines, 0 black to 1 white. */
#define PICTURE_INK   0.13
#define PICTURE_FAINT 0.42
#define PICTURE_LINE  0.78

void picture_font(cairo_t *cairo, double size, enum picture_weight weight);

/* Sets text with its left end, middle or right end (`align` 0, 0.5, 1) at x on the line y. */
void picture_text(cairo_t *cairo, double x, double y, double align, const char *text);

void picture_draw_panel(const struct picture_drawing *drawing, const struct picture_panel *panel,
                        cairo_t *cairo);

/* The plot's image of the alignment, or NULL: no memory. */
cairo_surface_t *picture_alignment_image(const struct picture_drawing *drawing,
                                         const struct picture_panel *panel);

/* That of the spectrogram from frame `first` on, [count] frames wide and PICTURE_BANDS high. */
cairo_surface_t *picture_spectrogram_image(const struct picture_drawing *drawing, size_t first,
                                           size_t count);

#endif
