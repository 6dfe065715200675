// SPDX-License-Identifier: MIT
/*
 * The last lines of a terminal, redrawn in place: text that may still change, and a line for the
 * level. Text is broken into rows here, so that their number is known. Each redraw is one write
 * that overwrites rows without clearing them first, so that nothing flickers.
 */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_TERMINAL_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#define LIVE_TERMINAL_ROWS 64

struct live_terminal {
    int descriptor;
    bool enabled;
    char *text;                         /* partial text; NULL: none */
    size_t committed;                   /* bytes of it that are drawn plain, the rest dimmed */
    char status[120];                   /* a line below the text, or "" */
    size_t rows;                        /* on the screen; the cursor is in the last one */
    size_t columns[LIVE_TERMINAL_ROWS]; /* width of each */
};

/* Nothing is ever drawn if `wanted` is false, or the descriptor is not a terminal or a dumb one. */
void live_terminal_init(struct live_terminal *terminal, int descriptor, bool wanted);
void live_terminal_finish(struct live_terminal *terminal);

/* Copies the text. Errors: -ENOMEM. */
int live_terminal_text(struct live_terminal *terminal, const char *text, size_t committed);

void live_terminal_status(struct live_terminal *terminal, const char *status);

void live_terminal_draw(struct live_terminal *terminal);

/* Erases what is drawn; the cursor is at its start then. */
void live_terminal_clear(struct live_terminal *terminal);

#endif
