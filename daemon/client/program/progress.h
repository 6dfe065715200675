// SPDX-License-Identifier: MIT
/*
 * A line on standard error with the progress of a transcription, and a meter for the level of a
 * microphone; both only if standard error is a terminal. Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PROGRESS_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

struct progress {
    bool enabled, drawn;
    double started, last_drawn; /* of the monotonic clock */
};

/* `wanted` false: nothing is ever drawn. */
void progress_init(struct progress *progress, bool wanted);

/* `done` of `total` seconds of audio (`total` not above 0: unknown) in `count` files, of which
 * `finished` are complete. Draws at most a few times per second, and nothing in the first second.
 */
void progress_update(struct progress *progress, double done, double total, size_t finished,
                     size_t count);

/* Erases the line before something else is written to the terminal. */
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

/* Adds `count` samples; call it with 0 samples, too, when there are none. Draws at most ten times
 * per second. `seconds`: shown after the bar. */
void meter_update(struct meter *meter, const float *samples, size_t count, double seconds);

/* Erases the line before something else is written to the terminal. */
void meter_clear(struct meter *meter);

#define METER_WIDTH 40

/* Writes "[#####|   ]  -23 dB" to `line`, with the bar up to the RMS level and a mark at the peak,
 * or
 * "[ ]  no sound". */
void meter_draw(const struct hearken_level *level, char *line, size_t size);

#endif
