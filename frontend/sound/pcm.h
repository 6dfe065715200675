// SPDX-License-Identifier: MIT
/*
 * Interleaved PCM of any type and channel count to mono float.
 */
#ifndef HEARKEN_FRONTEND_SOUND_PCM_H
#define HEARKEN_FRONTEND_SOUND_PCM_H

#include <hearken/hearken.h>

/*
 * Float samples beyond this are clamped: the full scale of the widest integer PCM, which some
 * programs write as float without scaling it. It keeps the power of any frame within a float.
 */
#define AUDIO_SAMPLE_LIMIT 0x1p31f

/* 0 if rate, channels and type are all in range, else -EINVAL with the one that is not. */
int pcm_format_check(const struct hearken_audio_format *format, struct hearken_error *error);

/*
 * Takes one channel out of `frames` frames (as for mixer_mix) into `out` [frames]. Floats that are
 * not finite count as 0.
 */
void pcm_take_channel(const struct hearken_audio_format *format, const void *samples,
                      uint32_t channel, size_t frames, float *out);

/*
 * Downmixes to mono: the mean of the channels, or one channel where they cancel because one is the
 * inverse of the other (a balanced line wired as stereo). The choice is made every
 * MIXER_HOP_SECONDS from about the last 300 ms. The result does not depend on how the samples are
 * split into calls.
 */
struct mixer {
    struct hearken_audio_format format;
    int chosen;          /* the channel in use, or -1: the mean */
    uint32_t hop, heard; /* frames of a hop; frames of the current one so far */
    uint64_t frames;     /* in total */
    uint64_t alone_from; /* the first frame with a single channel in use */
    uint64_t alone;      /* frames with a single channel in use */
    double cancelled;    /* largest energy of cancelling channels while one is in use */
    /* For each channel, then for their sum. */
    struct mixer_moments {
        double sum, squares; /* of this hop */
        double energy;       /* decaying energy of the hops before, without their mean */
    } moments[HEARKEN_CHANNELS_MAX + 1];
};

#define MIXER_HOP_SECONDS 0.1

/* `format` must be valid. The mixer owns no memory. */
void mixer_init(struct mixer *mixer, const struct hearken_audio_format *format);

/*
 * Mixes `frames` frames (little endian, of any alignment) into `mono` [frames]. Floats that are not
 * finite count as 0. One thread at a time for each mixer.
 */
void mixer_mix(struct mixer *mixer, const void *samples, size_t frames, float *mono);

#endif
