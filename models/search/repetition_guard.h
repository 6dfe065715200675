// SPDX-License-Identifier: MIT
/* Guards against endless texts: loops, attention that moves backward, length. */
#ifndef HEARKEN_MODELS_SEARCH_REPETITION_GUARD_H
#define HEARKEN_MODELS_SEARCH_REPETITION_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the end of `tokens` is a loop. */
bool repetition_guard_is_loop(const uint32_t *tokens, size_t count);

/* Progress of the attention of a hypothesis along the sound. Initially zeros. */
struct attention_progress {
    uint32_t furthest;        /* furthest peak so far, step of the memory */
    uint32_t backward_tokens; /* consecutive tokens with their peak far behind it */
    uint32_t stalled_tokens;  /* consecutive tokens with no peak beyond it */
};

/*
 * Adds the attention weights of the next token, [steps], without the padding, on which some heads
 * rest. False: the attention has moved backward and stays there.
 */
bool repetition_guard_advance(struct attention_progress *attention, const float *weights,
                              uint32_t steps, double step_seconds);

/*
 * Whether the end of `tokens` repeats an earlier part without progress of the attention. For heads
 * that rest after the speech, whose attention alone is no criterion.
 */
bool repetition_guard_repeats(const struct attention_progress *attention, const uint32_t *tokens,
                              size_t count);

/* Most tokens that speech of this duration can have. */
uint32_t repetition_guard_max_tokens(double seconds);

#endif
