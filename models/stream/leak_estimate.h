// SPDX-License-Identifier: MIT
/*
 * How much of one signal leaks into another one while both have sound of their own. A window shows
 * little of a leak that is 20 dB softer; the cross-correlation of some seconds has a peak at its
 * delay, whose height is the gain. A leak comes after what it copies, so the sign of the delay says
 * which way it goes.
 */
#ifndef HEARKEN_MODELS_STREAM_LEAK_ESTIMATE_H
#define HEARKEN_MODELS_STREAM_LEAK_ESTIMATE_H

#include <stdbool.h>

#define LEAK_MAX_DELAY 320 /* samples, 20 ms: seven metres of air, or a telephone's side tone */
#define LEAK_DELAYS    (2 * LEAK_MAX_DELAY + 1)

struct leak {
    int delay;  /* samples, not negative */
    float gain; /* with its sign */
};

/* All zeros at the start. */
struct leak_estimate {
    double products[LEAK_DELAYS]; /* of a(t) b(t - delay), from -LEAK_MAX_DELAY on; they fade */
    double energy_a, energy_b;    /* likewise */
    unsigned windows;
};

/* Adds a window of both signals: the sums of a(t) b(t - delay), a(t)² and b(t)². The energies are
 * greater than 0. */
void leak_estimate_add(struct leak_estimate *estimate, const float products[LEAK_DELAYS],
                       double energy_a, double energy_b);

/* The leak from b into a, or from a into b. False: there is none that is certain. */
bool leak_estimate_find(const struct leak_estimate *estimate, bool into_a, struct leak *leak);

#endif
