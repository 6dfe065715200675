// SPDX-License-Identifier: MIT
#include "models/stream/speculative_final.h"

void speculative_final_drop(struct speculative_final *speculative)
{
    if (speculative->ready)
        recognizer_transcript_finish(&speculative->transcript);
    speculative->ready = false;
}

bool speculative_final_is_ready(const struct speculative_final *speculative, uint64_t from,
                                uint64_t to)
{
    return speculative->ready && speculative->from == from && speculative->to == to;
}

int speculative_final_make(struct speculative_final *speculative, struct recognizer *recognizer,
                           const struct segment_sound *sound, uint64_t from, uint64_t to,
                           const struct beam_draft *committed)
{
    speculative_final_drop(speculative);
    int result = recognizer_recognise(recognizer, sound, committed, &speculative->transcript);
    if (result < 0)
        return result;
    speculative->ready = true;
    speculative->from = from;
    speculative->to = to;
    return 0;
}

bool speculative_final_take(struct speculative_final *speculative, uint64_t from, uint64_t to,
                            struct transcript *transcript)
{
    if (!speculative_final_is_ready(speculative, from, to)) {
        speculative_final_drop(speculative);
        return false;
    }
    *transcript = speculative->transcript;
    speculative->ready = false;
    speculative->taken++;
    return true;
}
