// SPDX-License-Identifier: MIT
#include "models/search/repetition_guard.h"

#include <string.h>

/*
 * A loop: a sequence of up to MAX_PERIOD tokens, at least LOOP_REPEATS times in a row and
 * LOOP_TOKENS tokens in all. People do say "no" four times, so a single token needs the full
 * length.
 */
#define LOOP_REPEATS 4u
#define LOOP_TOKENS  12u
#define MAX_PERIOD   40u

/*
 * A hypothesis whose attention stays this far behind its furthest peak for so many tokens repeats
 * text. In 137 clips of read speech the attention of right texts moved backward for at most 3
 * tokens, and for 7 or more at every sentence written twice (docs/accuracy.md).
 */
#define BACK_SECONDS 1.0
#define BACK_TOKENS  5u

/* Fast speakers reach 7 tokens a second; names and digits more. */
#define TOKENS_PER_SECOND 12.0
#define TOKENS_AT_LEAST   10u

bool repetition_guard_is_loop(const uint32_t *tokens, size_t count)
{
    for (size_t period = 1; period <= MAX_PERIOD; period++) {
        size_t repeats = (LOOP_TOKENS + period - 1) / period;
        if (repeats < LOOP_REPEATS)
            repeats = LOOP_REPEATS;
        if (period * repeats > count)
            continue;
        const uint32_t *tail = tokens + count - period * repeats;
        /* All periods are equal if each token equals the one a period later. */
        if (memcmp(tail, tail + period, period * (repeats - 1) * sizeof(*tail)) == 0)
            return true;
    }
    return false;
}

bool repetition_guard_advance(struct attention_progress *attention, const float *weights,
                              uint32_t steps, double step_seconds)
{
    uint32_t peak = 0;
    for (uint32_t t = 1; t < steps; t++)
        if (weights[t] > weights[peak])
            peak = t;
    attention->stalled_tokens = peak > attention->furthest ? 0 : attention->stalled_tokens + 1;
    if (peak >= attention->furthest) {
        attention->furthest = peak;
        attention->backward_tokens = 0;
    } else if ((attention->furthest - peak) * step_seconds > BACK_SECONDS) {
        attention->backward_tokens++;
    } else {
        attention->backward_tokens = 0;
    }
    return attention->backward_tokens < BACK_TOKENS;
}

bool repetition_guard_repeats(const struct attention_progress *attention, const uint32_t *tokens,
                              size_t count)
{
    if (attention->stalled_tokens < BACK_TOKENS)
        return false;
    for (size_t at = 0; at + BACK_TOKENS < count; at++)
        if (memcmp(tokens + at, tokens + count - BACK_TOKENS, BACK_TOKENS * sizeof(*tokens)) == 0)
            return true;
    return false;
}

uint32_t repetition_guard_max_tokens(double seconds)
{
    return TOKENS_AT_LEAST + (uint32_t)(seconds * TOKENS_PER_SECOND);
}
