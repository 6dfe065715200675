// SPDX-License-Identifier: MIT
/*
 * The header of a WAV file (RIFF, RF64, BW64) of linear PCM, parsed from its first bytes.
 *
 * Recorders that write to a pipe cannot know how long they will run, and ones that are cut off do
 * not come back to fill it in; so the sizes in a header are hints. What is not little-endian linear
 * PCM (compressed, A-law, 64 bit float) is left to libsndfile.
 */
#ifndef HEARKEN_FRONTEND_SOUND_WAV_H
#define HEARKEN_FRONTEND_SOUND_WAV_H

#include <hearken/hearken.h>

/* No header is longer: embedded pictures stay below. */
#define WAV_HEADER_LIMIT ((size_t)1 << 20)

enum wav_result {
    WAV_PCM,   /* found: the samples start at data_at */
    WAV_MORE,  /* so far a WAV header, but there must be more of it */
    WAV_OTHER, /* not a WAV file, or one that is not for this parser */
};

struct wav_layout {
    struct hearken_audio_format format; /* of a known type; rate and channels as the file says */
    size_t data_at;                     /* bytes before the first sample */
    uint64_t data_size;                 /* bytes of samples as stated; 0: not stated */
    bool data_size_credible;            /* not one of the values that stand for "unknown" */
};

/* Safe for any bytes. `layout` is written only for WAV_PCM. */
enum wav_result wav_parse(const uint8_t *bytes, size_t size, struct wav_layout *layout);

#endif
