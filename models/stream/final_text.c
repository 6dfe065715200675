// SPDX-License-Identifier: MIT
#include "models/stream/final_text.h"

#include "frontend/features/logmel.h"
#include "models/vad/level_segmenter.h"

/* A shorter segment is not recognised again in halves when its text repeats itself. */
#define MIN_RETRY_SECONDS 4.0

struct segment_sound final_text_part(const struct segment_sound *sound, size_t from, size_t to)
{
    return (struct segment_sound){
        .samples = sound->samples + from,
        .count = to - from,
        .start = sound->start + (double)from / HEARKEN_RATE,
        .voice = sound->voice ? sound->voice + from / LOGMEL_HOP : NULL,
    };
}

static int recognise_parts(const struct final_text *final, const struct segment_sound *sound,
                           size_t cut)
{
    const struct segment_sound first = final_text_part(sound, 0, cut);
    const struct segment_sound second = final_text_part(sound, cut, sound->count);
    int result = final_text_recognise(final, &first);
    return result < 0 ? result : final_text_recognise(final, &second);
}

/*
 * Whether a text leaves out speech beside a pause. The speller sometimes skips a sentence that
 * follows a pause.
 */
static bool loses_words(const struct transcript *transcript)
{
    return transcript->words.count > 0 && transcript->words.lost_pause > 0 &&
           transcript_is_incomplete(transcript);
}

int final_text_complete(const struct final_text *final, const struct segment_sound *sound,
                        uint32_t forced, struct transcript *transcript)
{
    const double seconds = (double)sound->count / HEARKEN_RATE;
    int result;
    if (transcript->looped && seconds >= MIN_RETRY_SECONDS) {
        /* Shorter sound seldom loops. */
        size_t quarter = sound->count / 4;
        result = recognise_parts(
            final, sound,
            level_segmenter_quietest(sound->samples, quarter, sound->count - quarter));
    } else if (forced == 0 && loses_words(transcript)) {
        /* Within the segment, as there is speech on both sides of the pause. */
        double pause = transcript->words.lost_pause - sound->start;
        result = recognise_parts(final, sound, (size_t)(pause * HEARKEN_RATE));
    } else {
        recognizer_set_previous(final->recognizer, transcript);
        result = final->callback(final->context, transcript, sound->start, sound->start + seconds);
    }
    recognizer_transcript_finish(transcript);
    return result;
}

int final_text_recognise(const struct final_text *final, const struct segment_sound *sound)
{
    const struct beam_draft none = {0};
    struct transcript transcript;
    int result = recognizer_recognise(final->recognizer, sound, &none, &transcript);
    return result < 0 ? result : final_text_complete(final, sound, 0, &transcript);
}
