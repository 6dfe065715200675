// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_render.h"

#include "daemon/client/picture/picture_draw.h"

#include <cairo-svg.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels per unit in a PNG, which is 1920 pixels wide. */
#define PIXELS 1.5

/* Needs 150 MB for drawing; some image viewers refuse larger images. */
#define HEIGHT_MAX (20000 / PIXELS)

/* The bytes of a file, rendered in memory. */
struct document {
    FILE *stream;
    char *bytes;
    size_t length;
};

static cairo_status_t write_bytes(void *context, const unsigned char *bytes, unsigned length)
{
    struct document *document = context;
    return fwrite(bytes, 1, length, document->stream) == length ? CAIRO_STATUS_SUCCESS
                                                                : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t draw(const struct picture_drawing *drawing, cairo_surface_t *surface,
                           double scale)
{
    cairo_t *cairo = cairo_create(surface);
    cairo_scale(cairo, scale, scale);
    picture_draw(drawing, cairo);
    cairo_status_t status = cairo_status(cairo);
    cairo_destroy(cairo);
    return status;
}

static cairo_status_t render_png(const struct picture_drawing *drawing, struct document *document)
{
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)lrint(PICTURE_WIDTH * PIXELS),
                                   (int)lrint(drawing->height * PIXELS));
    cairo_status_t status = draw(drawing, surface, PIXELS);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(surface, write_bytes, document);
    cairo_surface_destroy(surface);
    return status;
}

static cairo_status_t render_svg(const struct picture_drawing *drawing, struct document *document)
{
    cairo_surface_t *surface =
        cairo_svg_surface_create_for_stream(write_bytes, document, PICTURE_WIDTH, drawing->height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    cairo_status_t status = draw(drawing, surface, 1);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return status;
}

/* ---- Text of an SVG, for search and screen readers: cairo draws words as outlines ---- */

static void print_escaped(FILE *stream, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", stream);
        else if (*text == '>')
            fputs("&gt;", stream);
        else if (*text == '&')
            fputs("&amp;", stream);
        else if (strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0)
            text += 2; /* not allowed in XML (1.0, section 2.2) */
        else
            fputc(*text, stream);
    }
}

static void print_description(const struct picture_drawing *drawing, FILE *stream)
{
    fputs("\n<title>", stream);
    print_escaped(stream, drawing->title);
    fputs("</title>\n<desc>", stream);
    for (size_t i = 0; i < drawing->panel_count; i++)
        for (size_t k = 0; k < drawing->panels[i].row_count; k++) {
            const struct picture_word *word = drawing->panels[i].rows[k].word;
            fprintf(stream, "%.2f-%.2f ", word->start, word->end);
            print_escaped(stream, word->text);
            fputc('\n', stream);
        }
    fputs("</desc>", stream);
}

/* Inserts the description after the document's first tag. */
static int describe(const struct picture_drawing *drawing, struct document *document)
{
    const char *tag = memmem(document->bytes, document->length, "<svg", 4);
    const char *end =
        tag ? memchr(tag, '>', document->length - (size_t)(tag - document->bytes)) : NULL;
    if (!end)
        return 0;
    struct document described = {0};
    described.stream = open_memstream(&described.bytes, &described.length);
    if (!described.stream)
        return -ENOMEM;
    size_t before = (size_t)(end + 1 - document->bytes);
    fwrite(document->bytes, 1, before, described.stream);
    print_description(drawing, described.stream);
    fwrite(end + 1, 1, document->length - before, described.stream);
    if (fclose(described.stream) != 0) {
        free(described.bytes);
        return -ENOMEM;
    }
    free(document->bytes);
    *document = described;
    return 0;
}

/* ---- The document ---- */

static int render(const struct picture_drawing *drawing, bool svg, struct document *document,
                  struct hearken_error *error)
{
    document->stream = open_memstream(&document->bytes, &document->length);
    if (!document->stream)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    cairo_status_t status = svg ? render_svg(drawing, document) : render_png(drawing, document);
    int closed = fclose(document->stream);
    if (status != CAIRO_STATUS_SUCCESS || closed != 0)
        return hearken_fail(error, -ENOMEM, "the picture could not be drawn: %s",
                            cairo_status_to_string(status ? status : CAIRO_STATUS_NO_MEMORY));
    if (svg && describe(drawing, document) < 0)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    return 0;
}

int picture_render(const struct picture *picture, const char *title, bool svg,
                   struct picture_document *rendered, struct hearken_error *error)
{
    struct picture_drawing drawing;
    struct document document = {0};
    int result = picture_drawing_init(&drawing, picture, title, HEIGHT_MAX, error);
    if (result < 0)
        return result;
    result = render(&drawing, svg, &document, error);
    if (result == 0)
        *rendered = (struct picture_document){document.bytes, document.length,
                                              picture_drawing_shown(&drawing)};
    else
        free(document.bytes);
    picture_drawing_finish(&drawing);
    return result;
}
