// SPDX-License-Identifier: MIT
/*
 * One line on standard error that says how far a transcription is, if standard error is a terminal.
 * Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    bool enabled, drawn;
    double begun, last_drawn; /* of the monotonic clock */
};

/* `wanted` false: nothing is ever drawn. */
void progress_init(struct progress *progress, bool wanted);

/* `done` of `total` seconds of sound (`total` not above 0: unknown) in files [0, count), of which
 * the first `finished` are done. Draws a few times a second at most, and nothing in the first. */
void progress_update(struct progress *progress, double done, double total, size_t finished,
                     size_t count);

/* Takes the line away, before something else is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
