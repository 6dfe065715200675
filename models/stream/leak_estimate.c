// SPDX-License-Identifier: MIT
#include "models/stream/leak_estimate.h"

#include <math.h>

/* A window is forgotten to a third by ten more. */
#define FADE 0.9

/* Windows that are needed, and how far a peak is above the root mean square of the correlation.
 * Signals that have nothing in common reach 4 of it. */
#define WINDOWS_MIN 3u
#define PEAK        5.0

void leak_estimate_add(struct leak_estimate *estimate, const float products[LEAK_DELAYS],
                       double energy_a, double energy_b)
{
    double weight = 1 / sqrt(energy_a * energy_b); /* so that all windows count alike */
    for (int i = 0; i < LEAK_DELAYS; i++)
        estimate->products[i] = FADE * estimate->products[i] + weight * (double)products[i];
    estimate->energy_a = FADE * estimate->energy_a + weight * energy_a;
    estimate->energy_b = FADE * estimate->energy_b + weight * energy_b;
    if (estimate->windows < WINDOWS_MIN)
        estimate->windows++;
}

bool leak_estimate_find(const struct leak_estimate *estimate, bool into_a, struct leak *leak)
{
    double squares = 0, best = 0;
    if (estimate->windows < WINDOWS_MIN)
        return false;
    for (int i = 0; i < LEAK_DELAYS; i++)
        squares += estimate->products[i] * estimate->products[i];
    for (int delay = 0; delay <= LEAK_MAX_DELAY; delay++) {
        double product = estimate->products[LEAK_MAX_DELAY + (into_a ? delay : -delay)];
        if (fabs(product) <= fabs(best))
            continue;
        best = product;
        leak->delay = delay;
    }
    leak->gain = (float)(best / (into_a ? estimate->energy_b : estimate->energy_a));
    return fabs(best) > PEAK * sqrt(squares / LEAK_DELAYS);
}
