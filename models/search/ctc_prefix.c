// SPDX-License-Identifier: MIT
#include "models/search/ctc_prefix.h"

#include <math.h>

/* Terms this far below the largest do not change a float sum. */
#define NEGLIGIBLE (-20.0f)

/* log(exp(a) + exp(b)) */
static float log_add(float a, float b)
{
    float larger = a > b ? a : b, smaller = a > b ? b : a;
    if (smaller == -INFINITY)
        return larger;
    return larger + log1pf(expf(smaller - larger));
}

static float score_of(const struct ctc_scores *scores, uint32_t step, uint32_t token)
{
    return scores->log_probabilities[(size_t)step * scores->vocabulary + token];
}

void ctc_prefix_start(const struct ctc_scores *scores, struct ctc_state *state)
{
    float sum = 0;
    for (uint32_t t = 0; t < scores->steps; t++) {
        sum += score_of(scores, t, scores->blank);
        state->either[t] = state->blank[t] = sum;
    }
}

/*
 * Per step t, the log-probability that a token may follow at t + 1, [steps]. A repeated token needs
 * a blank in between.
 */
static const float *goes_on_from(const struct ctc_state *state, uint32_t last, uint32_t token)
{
    return token == last ? state->blank : state->either;
}

float ctc_prefix_score(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token)
{
    const float *before = goes_on_from(from, last, token);
    float first = last == NO_LAST_TOKEN ? score_of(scores, 0, token) : -INFINITY, largest = first;
    for (uint32_t t = 1; t < scores->steps; t++)
        largest = fmaxf(largest, before[t - 1] + score_of(scores, t, token));
    if (largest == -INFINITY)
        return -INFINITY;
    double sum = exp((double)(first - largest));
    for (uint32_t t = 1; t < scores->steps; t++) {
        float difference = before[t - 1] + score_of(scores, t, token) - largest;
        if (difference > NEGLIGIBLE)
            sum += (double)expf(difference);
    }
    return largest + (float)log(sum);
}

void ctc_prefix_extend(const struct ctc_scores *scores, const struct ctc_state *from, uint32_t last,
                       uint32_t token, struct ctc_state *to)
{
    const float *before = goes_on_from(from, last, token);
    float here = last == NO_LAST_TOKEN ? score_of(scores, 0, token) : -INFINITY;
    to->either[0] = here;
    to->blank[0] = -INFINITY;
    for (uint32_t t = 1; t < scores->steps; t++) {
        here = log_add(here, before[t - 1]) + score_of(scores, t, token);
        to->blank[t] = to->either[t - 1] + score_of(scores, t, scores->blank);
        to->either[t] = log_add(here, to->blank[t]);
    }
}

float ctc_prefix_end(const struct ctc_scores *scores, const struct ctc_state *state)
{
    return state->either[scores->steps - 1];
}
