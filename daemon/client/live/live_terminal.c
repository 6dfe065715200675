// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_terminal.h"

#include "include/internal/utf8.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define STANDARD_WIDTH  80
#define STANDARD_HEIGHT 24

#define DIM   "\033[2m"
#define PLAIN "\033[0m"

void live_terminal_init(struct live_terminal *terminal, int descriptor, bool wanted)
{
    const char *name = getenv("TERM");
    bool dumb = name && strcmp(name, "dumb") == 0;
    *terminal = (struct live_terminal){
        .descriptor = descriptor,
        .enabled = wanted && !dumb && isatty(descriptor),
    };
}

void live_terminal_finish(struct live_terminal *terminal)
{
    live_terminal_clear(terminal);
    free(terminal->text);
    terminal->text = NULL;
}

int live_terminal_text(struct live_terminal *terminal, const char *text, size_t committed)
{
    if (!terminal->enabled)
        return 0;
    free(terminal->text);
    terminal->text = *text ? strdup(text) : NULL;
    terminal->committed = committed;
    return *text && !terminal->text ? -ENOMEM : 0;
}

void live_terminal_status(struct live_terminal *terminal, const char *status)
{
    snprintf(terminal->status, sizeof(terminal->status), "%s", status);
}

/* ---- Rows ---- */

struct row {
    size_t begin, end; /* bytes of the text */
    size_t columns;
};

struct rows {
    size_t count;
    struct row row[LIVE_TERMINAL_ROWS]; /* the last ones, if there are more */
};

static void get_size(const struct live_terminal *terminal, size_t *width, size_t *height)
{
    struct winsize size;
    bool known = ioctl(terminal->descriptor, TIOCGWINSZ, &size) == 0;
    *width = known && size.ws_col > 1 ? size.ws_col : STANDARD_WIDTH;
    *height = known && size.ws_row > 1 ? size.ws_row : STANDARD_HEIGHT;
}

/* The width in columns of the character of `length` bytes at `text`. */
static size_t character_columns(const char *text, size_t length)
{
    wchar_t character;
    mbstate_t state = {0};
    if (length == 1 || mbrtowc(&character, text, length, &state) > length)
        return 1;
    int columns = wcwidth(character);
    return columns < 0 ? 1 : (size_t)columns;
}

static void add_row(struct rows *rows, struct row row)
{
    if (rows->count == LIVE_TERMINAL_ROWS) {
        memmove(&rows->row[0], &rows->row[1], (LIVE_TERMINAL_ROWS - 1) * sizeof(row));
        rows->count--;
    }
    rows->row[rows->count++] = row;
}

/* The row that begins at `at`: as many words as fit, or a part of a word that does not. */
static struct row fit_row(const char *text, size_t at, size_t width)
{
    struct row row = {.begin = at, .end = at}, whole = row;
    while (text[row.end]) {
        size_t length = utf8_length(text + row.end);
        length = length ? length : 1;
        size_t columns = character_columns(text + row.end, length);
        if (row.columns + columns > width)
            return whole.end > at ? whole : row;
        if (text[row.end] == ' ')
            whole = row;
        row.end += length;
        row.columns += columns;
    }
    return row;
}

static void break_text(const char *text, size_t width, struct rows *rows)
{
    size_t at = 0;
    while (text[at]) {
        struct row row = fit_row(text, at, width);
        if (row.end == at) /* the terminal is narrower than a character */
            row.end = at + 1;
        add_row(rows, row);
        at = row.end;
        while (text[at] == ' ')
            at++;
    }
}

/* ---- Drawing ---- */

/* A terminal that was made narrower has broken wide rows. */
static size_t rows_on_screen(const struct live_terminal *terminal, size_t width)
{
    size_t count = 0;
    for (size_t i = 0; i < terminal->rows; i++)
        count += terminal->columns[i] > width ? (terminal->columns[i] + width - 1) / width : 1;
    return count;
}

static void move_to_first_row(const struct live_terminal *terminal, size_t width, FILE *stream)
{
    size_t rows = rows_on_screen(terminal, width);
    fputc('\r', stream);
    if (rows > 1)
        fprintf(stream, "\033[%zuA", rows - 1);
}

/* Draws committed text plain, the rest dimmed. */
static void draw_row(const struct live_terminal *terminal, const struct row *row, FILE *stream)
{
    size_t plain = terminal->committed < row->begin ? row->begin : terminal->committed;
    if (plain > row->end)
        plain = row->end;
    fwrite(terminal->text + row->begin, 1, plain - row->begin, stream);
    if (plain < row->end) {
        fputs(DIM, stream);
        fwrite(terminal->text + plain, 1, row->end - plain, stream);
        fputs(PLAIN, stream);
    }
}

static void end_row(struct live_terminal *terminal, size_t columns, FILE *stream)
{
    fputs("\033[K", stream);
    terminal->columns[terminal->rows++] = columns;
}

static void draw(struct live_terminal *terminal, FILE *stream)
{
    size_t width, height;
    struct rows rows = {0};
    get_size(terminal, &width, &height);
    if (terminal->text)
        break_text(terminal->text, width - 1, &rows);
    size_t room = height - 1 < LIVE_TERMINAL_ROWS - 1 ? height - 1 : LIVE_TERMINAL_ROWS - 1;
    size_t first = rows.count > room ? rows.count - room : 0;
    move_to_first_row(terminal, width, stream);
    terminal->rows = 0;
    for (size_t i = first; i < rows.count; i++) {
        fputs(i > first ? "\r\n" : "", stream);
        draw_row(terminal, &rows.row[i], stream);
        end_row(terminal, rows.row[i].columns, stream);
    }
    if (*terminal->status) {
        int length = (int)strlen(terminal->status);
        length = (size_t)length < width - 1 ? length : (int)width - 1;
        fprintf(stream, "%s%.*s", rows.count > 0 ? "\r\n" : "", length, terminal->status);
        end_row(terminal, (size_t)length, stream);
    }
    fputs("\033[J", stream);
}

void live_terminal_draw(struct live_terminal *terminal)
{
    char *bytes = NULL;
    size_t length = 0;
    bool empty = !terminal->text && !*terminal->status;
    if (!terminal->enabled || (empty && terminal->rows == 0))
        return;
    FILE *stream = open_memstream(&bytes, &length);
    if (!stream)
        return;
    draw(terminal, stream);
    if (fclose(stream) == 0)
        write_all(terminal->descriptor, bytes, length);
    free(bytes);
}

void live_terminal_clear(struct live_terminal *terminal)
{
    size_t width, height;
    if (!terminal->enabled || terminal->rows == 0)
        return;
    get_size(terminal, &width, &height);
    size_t rows = rows_on_screen(terminal, width);
    char bytes[40];
    int length = rows > 1 ? snprintf(bytes, sizeof(bytes), "\r\033[%zuA\033[J", rows - 1)
                          : snprintf(bytes, sizeof(bytes), "\r\033[J");
    write_all(terminal->descriptor, bytes, (size_t)length);
    terminal->rows = 0;
}
