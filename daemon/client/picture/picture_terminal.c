// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_terminal.h"

#include "daemon/client/picture/picture.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_A_SECOND 10.0
#define SPECTROGRAM_ROWS 8
#define TICK_APART       8.0 /* columns */
#define FAINT_SHARE      0.15
#define FULL_SHARE       0.7 /* of the strongest weight: a column is the mean of several */

/* ---- Capabilities of the terminal ---- */

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

static unsigned width_of(int descriptor)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    unsigned long columns = text ? strtoul(text, NULL, 10) : 0;
    if (columns == 0 && ioctl(descriptor, TIOCGWINSZ, &size) == 0)
        columns = size.ws_col;
    if (columns == 0)
        columns = 80;
    columns = columns < PICTURE_COLUMNS_MIN ? PICTURE_COLUMNS_MIN : columns;
    return columns < PICTURE_COLUMNS_MAX ? (unsigned)columns : PICTURE_COLUMNS_MAX;
}

void picture_terminal_init(struct picture_terminal *terminal, int descriptor)
{
    const char *term = getenv("TERM"), *depth = getenv("COLORTERM");
    *terminal = (struct picture_terminal){.columns = width_of(descriptor)};
    if (!isatty(descriptor) || is_set("NO_COLOR") || !term)
        return;
    if (depth && (strcmp(depth, "truecolor") == 0 || strcmp(depth, "24bit") == 0))
        terminal->colours = PICTURE_ALL_COLOURS;
    else if (strstr(term, "256color"))
        terminal->colours = PICTURE_256_COLOURS;
}

/* ---- A panel ---- */

struct canvas {
    FILE *stream;
    struct picture_terminal terminal;
    const struct picture *picture;
    const float *levels; /* [frames, PICTURE_BANDS] */
    size_t frames;
    double strongest;
    double column_seconds;
    const struct picture_span *panels;
    size_t panel_count, panel; /* `panel`: index of the current one */
    struct picture_map map;
};

static double start_of(const struct canvas *canvas)
{
    return canvas->panels[canvas->panel].start;
}

/* The panel's width in columns; the last panel may be narrower. */
static unsigned columns_of(const struct canvas *canvas)
{
    const struct picture_span *panel = &canvas->panels[canvas->panel];
    double columns = ceil((panel->end - panel->start) / canvas->column_seconds - 1e-6);
    return (unsigned)fmin(fmax(columns, 1), canvas->terminal.columns);
}

/* The column of a time, which may be outside the panel. */
static double column_of(const struct canvas *canvas, double time)
{
    return (time - start_of(canvas)) / canvas->column_seconds;
}

static void set_colour(const struct canvas *canvas, bool ground, struct picture_colour colour)
{
    if (canvas->terminal.colours == PICTURE_ALL_COLOURS) {
        fprintf(canvas->stream, "\033[%d;2;%d;%d;%dm", ground ? 48 : 38, colour.red, colour.green,
                colour.blue);
        return;
    }
    int cube[3] = {colour.red, colour.green, colour.blue};
    for (int i = 0; i < 3; i++) /* the levels are 0, 95, 135, 175, 215, 255 */
        cube[i] = cube[i] < 48 ? 0 : cube[i] < 115 ? 1 : (cube[i] - 35) / 40;
    fprintf(canvas->stream, "\033[%d;5;%dm", ground ? 48 : 38,
            16 + 36 * cube[0] + 6 * cube[1] + cube[2]);
}

static void reset(const struct canvas *canvas)
{
    if (canvas->terminal.colours != PICTURE_NO_COLOURS)
        fputs("\033[0m", canvas->stream);
}

/* ---- Spectrogram ---- */

/* The mean level of columns [from, to) of the panel, in row `row` of `rows` from the top. */
static double level(const struct canvas *canvas, double from, double to, int row, int rows)
{
    double rate = (double)HEARKEN_RATE / HEARKEN_SPECTROGRAM_HOP;
    double start = (start_of(canvas) + from * canvas->column_seconds) * rate;
    double end = (start_of(canvas) + to * canvas->column_seconds) * rate;
    size_t first = (size_t)fmax(start, 0), last = (size_t)fmax(end, start + 1);
    int low = (int)PICTURE_BANDS * (rows - 1 - row) / rows;
    int high = (int)PICTURE_BANDS * (rows - row) / rows;
    double sum = 0, count = 0;
    for (size_t frame = first; frame < last && frame < canvas->frames; frame++)
        for (int band = low; band < high; band++, count++)
            sum += (double)canvas->levels[frame * PICTURE_BANDS + (size_t)band];
    return count > 0 ? sum / count : 0;
}

static void draw_coloured(const struct canvas *canvas, int row)
{
    int rows = 2 * SPECTROGRAM_ROWS;
    for (unsigned column = 0; column < columns_of(canvas); column++) {
        double upper = level(canvas, column, column + 1, 2 * row, rows);
        double lower = level(canvas, column, column + 1, 2 * row + 1, rows);
        set_colour(canvas, false, picture_map_at(&canvas->map, upper));
        set_colour(canvas, true, picture_map_at(&canvas->map, lower));
        fputs("\xe2\x96\x80", canvas->stream); /* upper half block */
    }
    reset(canvas);
}

/* Braille dots with ordered dithering (B. E. Bayer, 1973). */
static void draw_dots(const struct canvas *canvas, int row)
{
    static const int bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    static const double thresholds[4][4] = {
        {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    for (unsigned column = 0; column < columns_of(canvas); column++) {
        int dots = 0;
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 2; x++) {
                double from = column + x / 2.0;
                double share = level(canvas, from, from + 0.5, 4 * row + y, 4 * SPECTROGRAM_ROWS);
                double least = (thresholds[y][(2 * column + (unsigned)x) % 4] + 0.5) / 16;
                dots |= share > least ? bits[y][x] : 0;
            }
        int point = 0x2800 + dots;
        fprintf(canvas->stream, "%c%c%c", 0xe0 | point >> 12, 0x80 | (point >> 6 & 0x3f),
                0x80 | (point & 0x3f));
    }
}

static void draw_spectrogram(const struct canvas *canvas)
{
    for (int row = 0; row < SPECTROGRAM_ROWS; row++) {
        if (canvas->terminal.colours == PICTURE_NO_COLOURS)
            draw_dots(canvas, row);
        else
            draw_coloured(canvas, row);
        fputc('\n', canvas->stream);
    }
}

/* ---- Segments, axis ---- */

static void draw_segments(const struct canvas *canvas)
{
    unsigned columns = columns_of(canvas);
    for (unsigned column = 0; column < columns; column++) {
        const char *mark = " ";
        for (size_t i = 0; i < canvas->picture->segment_count; i++) {
            const struct picture_segment *segment = &canvas->picture->segments[i];
            double begin = round(column_of(canvas, segment->start));
            double end = fmax(round(column_of(canvas, segment->end)) - 1, begin);
            if (column < begin || column > end)
                continue;
            mark = column == begin ? "\xe2\x94\x8c"
                   : column == end ? "\xe2\x94\x90"
                                   : "\xe2\x94\x80";
        }
        fputs(mark, canvas->stream);
    }
    fputc('\n', canvas->stream);
}

static void draw_axis(const struct canvas *canvas)
{
    unsigned columns = columns_of(canvas);
    double step = picture_tick_seconds(canvas->terminal.columns * canvas->column_seconds,
                                       canvas->terminal.columns, TICK_APART);
    double first = fmax(ceil(start_of(canvas) / step - 1e-6), 0);
    double tick = first;
    for (unsigned column = 0; column < columns; column++) {
        bool here = round(column_of(canvas, tick * step)) <= column;
        tick += here;
        fputs(here ? "\xe2\x94\xac" : "\xe2\x94\x80", canvas->stream);
    }
    fputc('\n', canvas->stream);
    unsigned at = 0;
    for (tick = first; round(column_of(canvas, tick * step)) < columns; tick++) {
        char text[32];
        unsigned column = (unsigned)fmax(round(column_of(canvas, tick * step)), 0);
        int length = snprintf(text, sizeof(text), "%.*f s", step < 1 ? 1 : 0, tick * step);
        if (column < at || column + (unsigned)length > canvas->terminal.columns)
            continue;
        fprintf(canvas->stream, "%*s%s", (int)(column - at), "", text);
        at = column + (unsigned)length;
    }
    fputc('\n', canvas->stream);
}

/* ---- Words ---- */

/* A word's attention in a column: the maximum of its tokens, relative to the strongest weight. */
static double attention(const struct canvas *canvas, const struct picture_segment *segment,
                        const struct picture_word *word, unsigned column)
{
    double from = start_of(canvas) + column * canvas->column_seconds, most = 0;
    for (uint32_t t = 0; t < word->token_count; t++)
        most = fmax(most, picture_weight(segment, word->first_token + t, from,
                                         from + canvas->column_seconds));
    return most / canvas->strongest;
}

static const char *shade(double share)
{
    if (share < FAINT_SHARE)
        return " ";
    return share < 0.3   ? "\xe2\x96\x91"
           : share < 0.5 ? "\xe2\x96\x92"
           : share < 0.7 ? "\xe2\x96\x93"
                         : "\xe2\x96\x88";
}

/* The columns with visible attention, or those of the word's time if there are none. */
static struct picture_span mark_of(const double *shares, unsigned columns, double start, double end)
{
    struct picture_span mark = {columns, 0};
    for (unsigned i = 0; i < columns; i++)
        if (shares[i] >= FAINT_SHARE) {
            mark.start = fmin(mark.start, i);
            mark.end = i + 1;
        }
    if (mark.end > 0)
        return mark;
    start = fmin(fmax(floor(start), 0), columns);
    return (struct picture_span){start, fmax(fmin(ceil(end), columns), start)};
}

static void draw_word(const struct canvas *canvas, const struct picture_segment *segment,
                      const struct picture_word *word)
{
    unsigned columns = columns_of(canvas), width = canvas->terminal.columns;
    double shares[PICTURE_COLUMNS_MAX];
    for (unsigned i = 0; i < columns; i++)
        shares[i] = attention(canvas, segment, word, i);
    struct picture_span mark =
        mark_of(shares, columns, column_of(canvas, word->start), column_of(canvas, word->end));
    double length = (double)utf8_count(word->text, strlen(word->text));
    struct picture_span plot = {0, width};
    unsigned label = (unsigned)picture_label_at(mark, length, 1, plot);
    bool coloured = canvas->terminal.colours != PICTURE_NO_COLOURS;
    const char *text = word->text;
    for (unsigned i = 0; i < width && (i < columns || *text); i++) {
        if (i < label || !*text) {
            const char *glyph = i < columns ? shade(shares[i]) : " ";
            bool shaded = coloured && *glyph != ' ';
            fprintf(canvas->stream, "%s%s%s", shaded ? "\033[36m" : "", glyph,
                    shaded ? "\033[0m" : "");
            continue;
        }
        size_t bytes = utf8_length(text);
        fwrite(text, 1, bytes, canvas->stream);
        text += bytes;
    }
    fputc('\n', canvas->stream);
}

static void draw_words(const struct canvas *canvas)
{
    const struct picture *picture = canvas->picture;
    for (size_t i = 0; i < picture->segment_count; i++)
        for (size_t k = 0; k < picture->segments[i].word_count; k++) {
            const struct picture_word *word = &picture->segments[i].words[k];
            struct picture_span time = {word->start, word->end};
            if (picture_panel_shows(canvas->panels, canvas->panel_count, canvas->panel, time))
                draw_word(canvas, &picture->segments[i], word);
        }
}

/* ---- The picture ---- */

static void draw_panels(struct canvas *canvas)
{
    double seconds = picture_panel_seconds(canvas->panels, canvas->panel_count);
    canvas->column_seconds = seconds / canvas->terminal.columns;
    for (canvas->panel = 0; canvas->panel < canvas->panel_count; canvas->panel++) {
        if (canvas->panel > 0)
            fputc('\n', canvas->stream);
        draw_segments(canvas);
        draw_spectrogram(canvas);
        draw_words(canvas);
        draw_axis(canvas);
    }
}

int picture_terminal_render(FILE *stream, const struct picture_terminal *terminal,
                            const struct picture *picture, struct hearken_error *error)
{
    double longest = terminal->columns / COLUMNS_A_SECOND;
    struct canvas canvas = {.stream = stream, .terminal = *terminal, .picture = picture};
    struct picture_span *panels = NULL;
    float *levels = NULL;
    int result = picture_panels_plan(picture, longest, &panels, &canvas.panel_count, error);
    if (result == 0)
        result = picture_spectrogram(picture, &levels, &canvas.frames, error);
    if (result == 0) {
        canvas.panels = panels;
        canvas.levels = levels;
        canvas.strongest = FULL_SHARE * picture_strongest(picture);
        picture_map_init(&canvas.map, PICTURE_MAP_SOUND);
        draw_panels(&canvas);
    }
    free(levels);
    free(panels);
    return result;
}
