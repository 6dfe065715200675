// SPDX-License-Identifier: MIT
/*
 * The attention picture in Unicode characters: panels as wide as the terminal, each with the
 * segments, the spectrogram, a row for each word with its attention and its text, and the time.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_TERMINAL_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_TERMINAL_H

#include "daemon/client/picture/picture.h"

#include <stdio.h>

enum picture_colours {
    PICTURE_NO_COLOURS, /* dots and shades only */
    PICTURE_256_COLOURS,
    PICTURE_ALL_COLOURS,
};

struct picture_terminal {
    unsigned columns; /* PICTURE_COLUMNS_MIN..PICTURE_COLUMNS_MAX */
    enum picture_colours colours;
};

#define PICTURE_COLUMNS_MIN 20u
#define PICTURE_COLUMNS_MAX 500u

/*
 * What the terminal at `descriptor` can do: $COLUMNS, else its width, else 80; colours as $TERM and
 * $COLORTERM say, none where $NO_COLOR is set (https://no-color.org) or it is no terminal.
 */
void picture_terminal_init(struct picture_terminal *terminal, int descriptor);

/* Writes into a memory stream. Errors: -ENOMEM. */
int picture_terminal_render(FILE *stream, const struct picture_terminal *terminal,
                            const struct picture *picture, struct hearken_error *error);

#endif
