// SPDX-License-Identifier: MIT
#include "frontend/features/logmel.h"

#include <math.h>

void logmel_scale_fixed(float *logmel, size_t count, float floor, float shift, float scale)
{
    for (size_t i = 0; i < count; i++)
        logmel[i] = ((logmel[i] > floor ? logmel[i] : floor) + shift) / scale;
}

void logmel_scale_below_maximum(float *logmel, size_t count, float below, float shift, float scale)
{
    float maximum = -INFINITY;
    for (size_t i = 0; i < count; i++)
        if (logmel[i] > maximum)
            maximum = logmel[i];
    logmel_scale_fixed(logmel, count, maximum - below, shift, scale);
}
