// SPDX-License-Identifier: MIT
/*
 * What hearken prints on standard error: messages, the progress of a transcription and a meter for
 * the level of a microphone. The last two appear only if standard error is a terminal, and are not
 * for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_STANDARD_ERROR_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_STANDARD_ERROR_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

/* One line on standard error: "hearken: SUBJECT: MESSAGE", without the subject if it is NULL or
 * the message starts with it. */
void message_error(const char *subject, const char *message);

/* ---- Progress ---- */

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

/* ---- Meter ---- */

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
 * or "[ ]  no sound". */
void meter_draw(const struct hearken_level *level, char *line, size_t size);

#endif
