// SPDX-License-Identifier: MIT
/*
 * Draws the attention picture in Unicode characters: panels as wide as the terminal, each with the
 * segments, the spectrogram, a row for each word with its attention and its text, and a time axis.
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
 * The capabilities of the terminal at `descriptor`. Width: $COLUMNS, else its own, else 80.
 * Colours: by $TERM and $COLORTERM; none if $NO_COLOR is set (https://no-color.org) or it is not a
 * terminal.
 */
void picture_terminal_init(struct picture_terminal *terminal, int descriptor);

/* `stream`: a memory stream. Errors: -ENOMEM. */
int picture_terminal_render(FILE *stream, const struct picture_terminal *terminal,
                            const struct picture *picture, struct hearken_error *error);

#endif
