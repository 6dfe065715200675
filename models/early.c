// SPDX-License-Identifier: MIT
#include "early.h"

void early_drop(struct early *early)
{
    if (early->ready)
        transcript_finish(&early->transcript);
    early->ready = false;
}

bool early_is_ready(const struct early *early, uint64_t from, uint64_t to)
{
    return early->ready && early->from == from && early->to == to;
}

int early_make(struct early *early, struct recognizer *recognizer, const float *samples,
               uint64_t from, uint64_t to, const struct beam_guess *committed)
{
    early_drop(early);
    int result = recognizer_recognise(recognizer, samples, (size_t)(to - from),
                                      (double)from / HEARKEN_RATE, committed, &early->transcript);
    if (result < 0)
        return result;
    early->ready = true;
    early->from = from;
    early->to = to;
    return 0;
}

bool early_take(struct early *early, uint64_t from, uint64_t to, struct transcript *transcript)
{
    if (!early_is_ready(early, from, to)) {
        early_drop(early);
        return false;
    }
    *transcript = early->transcript;
    early->ready = false;
    early->taken++;
    return true;
}
