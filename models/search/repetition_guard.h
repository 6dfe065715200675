// SPDX-License-Identifier: MIT
/* What rules out that a text goes on for ever: loops, attention that wanders back, length. */
#ifndef HEARKEN_MODELS_SEARCH_REPETITION_GUARD_H
#define HEARKEN_MODELS_SEARCH_REPETITION_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the end of `tokens` says the same over and over. */
bool repetition_guard_is_loop(const uint32_t *tokens, size_t count);

/* How far along the sound a hypothesis has looked. Starts as zeros. */
struct attention_progress {
    uint32_t furthest; /* step of the memory */
    uint32_t strikes;  /* tokens in a row that looked far behind it */
    uint32_t stays;    /* tokens in a row that looked no further */
};

/*
 * The row of weights of the next token, over the steps of the sound (some heads rest on the padding
 * behind it). False: the attention has gone back and stays there.
 */
bool repetition_guard_advance(struct attention_progress *attention, const float *weights,
                              uint32_t steps, double step_seconds);

/*
 * Whether the end of `tokens` says again what stands before, without having looked any further. For
 * heads that rest behind what was said, and so are no limit by themselves.
 */
bool repetition_guard_repeats(const struct attention_progress *attention, const uint32_t *tokens,
                              size_t count);

/* The most tokens that anyone says in that time. */
uint32_t repetition_guard_max_tokens(double seconds);

#endif
