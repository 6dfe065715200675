// SPDX-License-Identifier: MIT
/*
 * The last lines of a terminal, drawn again and again in place: text that may still change, and a
 * line for the level. Rows are broken here, so that it is known how many there are; each drawing is
 * one write, in which rows are overwritten and not cleared before, so that nothing flickers.
 */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_TERMINAL_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#define LIVE_TERMINAL_ROWS 64

struct live_terminal {
    int descriptor;
    bool enabled;
    char *text;                         /* that may change; NULL: none */
    size_t committed;                   /* bytes of it that are drawn plain, the rest dimmed */
    char status[120];                   /* a line below it, or "" */
    size_t rows;                        /* on the screen; the cursor is in the last one */
    size_t columns[LIVE_TERMINAL_ROWS]; /* that each of them takes up */
};

/* Does nothing ever if `wanted` is false, or the descriptor is no terminal that can be drawn on. */
void live_terminal_init(struct live_terminal *terminal, int descriptor, bool wanted);
void live_terminal_finish(struct live_terminal *terminal);

/* Copies the text. Errors: -ENOMEM. */
int live_terminal_text(struct live_terminal *terminal, const char *text, size_t committed);

void live_terminal_status(struct live_terminal *terminal, const char *status);

void live_terminal_draw(struct live_terminal *terminal);

/* Takes away what is drawn; the cursor stands where it was. */
void live_terminal_clear(struct live_terminal *terminal);

#endif
