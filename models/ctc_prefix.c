// SPDX-License-Identifier: MIT
#include "ctc_prefix.h"

#include <math.h>

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
        state->token[t] = -INFINITY;
        state->blank[t] = sum;
    }
}

float ctc_prefix_extend(const struct ctc_scores *scores, const struct ctc_state *from,
                        uint32_t last, uint32_t token, struct ctc_state *to)
{
    float total = last == NO_LAST_TOKEN ? score_of(scores, 0, token) : -INFINITY;
    to->token[0] = total;
    to->blank[0] = -INFINITY;
    for (uint32_t t = 1; t < scores->steps; t++) {
        float here = score_of(scores, t, token);
        /* A token that repeats the last one needs a blank between the two. */
        float before =
            token == last ? from->blank[t - 1] : log_add(from->blank[t - 1], from->token[t - 1]);
        to->token[t] = log_add(to->token[t - 1], before) + here;
        to->blank[t] =
            log_add(to->blank[t - 1], to->token[t - 1]) + score_of(scores, t, scores->blank);
        total = log_add(total, before + here);
    }
    return total;
}

float ctc_prefix_end(const struct ctc_scores *scores, const struct ctc_state *state)
{
    uint32_t end = scores->steps - 1;
    return log_add(state->token[end], state->blank[end]);
}
