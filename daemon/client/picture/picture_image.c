// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_draw.h"

#include <math.h>
#include <string.h>

/* Pixels of the alignment's image for a unit: as fine as a PNG is. */
#define FINENESS 1.5

static uint32_t pixel_of(struct picture_colour colour)
{
    return (uint32_t)colour.red << 16 | (uint32_t)colour.green << 8 | colour.blue;
}

/* Row `y` of an image without transparency, as many numbers as it is wide. */
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

/* One token's weights along the plot. */
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

/* A word's row: its tokens below each other. */
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
