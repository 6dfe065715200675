// SPDX-License-Identifier: MIT
/*
 * One line on standard error that says how far a transcription is, if standard error is a terminal.
 * Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H

#include <hearken/hearken.h>
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

struct meter {
    bool enabled, drawn;
    double last_drawn; /* of the monotonic clock */
    double energy;     /* sum of the squares since then */
    size_t count;      /* of samples */
    float peak;
};

/* `wanted` false: nothing is ever drawn. */
void meter_init(struct meter *meter, bool wanted);

/* Takes `count` samples, which may be 0 and should be when there have been none for a moment; draws
 * ten times a second at most. `seconds`: shown behind the bar. */
void meter_update(struct meter *meter, const float *samples, size_t count, double seconds);

/* Takes the line away, before something else is written to the terminal. */
void meter_clear(struct meter *meter);

#define METER_WIDTH 40

/* "[#####|---]  -23 dB" into `line`: the bar up to the level's mean, the mark at its peak; or "[ ]
 * no sound". */
void meter_draw(const struct hearken_level *level, char *line, size_t size);

#endif
