// SPDX-License-Identifier: MIT
#include <hearken/hearken.h>
#include <math.h>

void hearken_level_measure(const float *samples, size_t count, struct hearken_level *level)
{
    double energy = 0;
    float peak = 0;
    for (size_t i = 0; i < count; i++) {
        energy += (double)samples[i] * (double)samples[i];
        peak = fmaxf(peak, fabsf(samples[i]));
    }
    level->rms = count > 0 ? (float)sqrt(energy / (double)count) : 0;
    level->peak = peak;
}
