// SPDX-License-Identifier: MIT
/*
 * One line on standard error that shows how loud sound is, if standard error is a terminal: a bar
 * from -60 dB to full scale, with "no sound" in its place where there is none.
 *
 * Not for two threads at once.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_METER_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_METER_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

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
