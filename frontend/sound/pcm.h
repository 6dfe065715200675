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
 * Mixes channels: their mean, or one of them where the mean would be next to nothing although they
 * sound, since one is the other upside down (a balanced line wired wrongly, a microphone's second
 * pole). Which it is, is decided anew every MIXER_HOP_SECONDS, from what was heard in about
 * the last 300 ms; how the sound is cut into pieces changes nothing.
 */
struct mixer {
    struct hearken_audio_format format;
    int chosen;          /* the channel that is taken, or -1: the mean */
    uint32_t hop, heard; /* frames between decisions; of them, heard */
    uint64_t frames;     /* in all */
    uint64_t alone_from; /* the first frame for which one channel was taken */
    uint64_t alone;      /* frames for which one was */
    double cancelled;    /* the most energy of channels that cancelled, since one is taken */
    /* For each channel, and for the sum of all behind them. */
    struct mixer_moments {
        double sum, squares; /* of this hop */
        double energy;       /* of those before, without their mean, fading */
    } moments[HEARKEN_CHANNELS_MAX + 1];
};

#define MIXER_HOP_SECONDS 0.1

/* `format` must be valid. Nothing needs to be released. */
void mixer_init(struct mixer *mixer, const struct hearken_audio_format *format);

/*
 * Mixes `frames` frames (little endian, of any alignment) into `mono` [frames]. Floats that are not
 * finite count as 0. One thread at a time for each mixer.
 */
void mixer_mix(struct mixer *mixer, const void *samples, size_t frames, float *mono);

#endif
