// SPDX-License-Identifier: MIT
#include "models/search/repetition_guard.h"

#include <string.h>

/*
 * A loop: some tokens, said at least LOOP_TIMES in a row, LOOP_TOKENS in all. People do say "no"
 * four times, so one word alone needs the full length.
 */
#define LOOP_TIMES   4u
#define LOOP_TOKENS  12u
#define LONGEST_TURN 40u

/*
 * A hypothesis that looks this far behind where it was, for so many tokens, writes again what it
 * has written. In 137 clips of read speech no right text looked back for more than 3 tokens, and
 * every sentence that was written twice for 7 or more (docs/accuracy.md).
 */
#define BACK_SECONDS 1.0
#define BACK_TOKENS  5u

/* Fast speakers reach 7 tokens a second; names and digits more. */
#define TOKENS_PER_SECOND 12.0
#define TOKENS_AT_LEAST   10u

bool repetition_guard_is_loop(const uint32_t *tokens, size_t count)
{
    for (size_t turn = 1; turn <= LONGEST_TURN; turn++) {
        size_t times = (LOOP_TOKENS + turn - 1) / turn;
        if (times < LOOP_TIMES)
            times = LOOP_TIMES;
        if (turn * times > count)
            continue;
        const uint32_t *tail = tokens + count - turn * times;
        /* All turns are equal if each token is that of one turn later. */
        if (memcmp(tail, tail + turn, turn * (times - 1) * sizeof(*tail)) == 0)
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
    attention->stays = peak > attention->furthest ? 0 : attention->stays + 1;
    if (peak >= attention->furthest) {
        attention->furthest = peak;
        attention->strikes = 0;
    } else if ((attention->furthest - peak) * step_seconds > BACK_SECONDS) {
        attention->strikes++;
    } else {
        attention->strikes = 0;
    }
    return attention->strikes < BACK_TOKENS;
}

bool repetition_guard_repeats(const struct attention_progress *attention, const uint32_t *tokens,
                              size_t count)
{
    if (attention->stays < BACK_TOKENS)
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
