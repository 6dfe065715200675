// SPDX-License-Identifier: MIT
#include "models/search/token_scores.h"

#include <math.h>

static float highest(const float *row, uint32_t first, uint32_t end)
{
    float most = -INFINITY;
    for (uint32_t i = first; i < end; i++)
        if (row[i] > most)
            most = row[i];
    return most;
}

float token_scores_log_sum(const float *row, uint32_t first, uint32_t end)
{
    float most = highest(row, first, end);
    double sum = 0;
    if (!(most > -INFINITY))
        return -INFINITY;
    for (uint32_t i = first; i < end; i++)
        if (row[i] > -INFINITY)
            sum += (double)expf(row[i] - most);
    return most + (float)log(sum);
}

void token_scores_log_softmax(float *row, uint32_t count)
{
    float sum = token_scores_log_sum(row, 0, count);
    if (!(sum > -INFINITY))
        return;
    for (uint32_t i = 0; i < count; i++)
        row[i] -= sum;
}

void token_scores_top(const float *row, uint32_t count, uint32_t wanted, float *values,
                      uint32_t *columns)
{
    for (uint32_t i = 0; i < wanted; i++) {
        values[i] = -INFINITY;
        columns[i] = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!(row[i] > values[wanted - 1]))
            continue;
        uint32_t at = wanted - 1;
        for (; at > 0 && row[i] > values[at - 1]; at--) {
            values[at] = values[at - 1];
            columns[at] = columns[at - 1];
        }
        values[at] = row[i];
        columns[at] = i;
    }
}

/* SplitMix64 (Steele et al., 2014, "Fast Splittable Pseudorandom Number Generators"): 0 <= x < 1.
 */
static double draw_uniform(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

uint32_t token_scores_sample(const float *row, uint32_t count, float temperature, uint64_t *random)
{
    float most = highest(row, 0, count);
    double sum = 0, chance = draw_uniform(random);
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++)
        if (row[i] > -INFINITY)
            sum += exp((double)(row[i] - most) / (double)temperature);
    chance *= sum;
    for (uint32_t i = 0; i < count; i++) {
        if (!(row[i] > -INFINITY))
            continue;
        last = i;
        chance -= exp((double)(row[i] - most) / (double)temperature);
        if (chance < 0)
            break;
    }
    return last;
}
