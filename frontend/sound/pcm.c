// SPDX-License-Identifier: MIT
#include "frontend/sound/pcm.h"

#include "include/internal/little_endian.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <math.h>
#include <string.h>

/* Bytes of a sample; 0 for an unknown type. */
static size_t sample_size(enum hearken_sample_type type)
{
    switch (type) {
    case HEARKEN_SAMPLE_U8:
        return 1;
    case HEARKEN_SAMPLE_S16:
        return 2;
    case HEARKEN_SAMPLE_S24:
        return 3;
    case HEARKEN_SAMPLE_S32:
    case HEARKEN_SAMPLE_F32:
        return 4;
    }
    return 0;
}

int pcm_format_check(const struct hearken_audio_format *format, struct hearken_error *error)
{
    if (format->rate < HEARKEN_RATE_MIN || format->rate > HEARKEN_RATE_MAX)
        return hearken_fail(error, -EINVAL, "a rate of %u Hz: expected %u to %u",
                            (unsigned)format->rate, HEARKEN_RATE_MIN, HEARKEN_RATE_MAX);
    if (format->channels < 1 || format->channels > HEARKEN_CHANNELS_MAX)
        return hearken_fail(error, -EINVAL, "%u channels: expected 1 to %u",
                            (unsigned)format->channels, HEARKEN_CHANNELS_MAX);
    if (sample_size(format->type) == 0)
        return hearken_fail(error, -EINVAL, "sample type %d: expected %d to %d", (int)format->type,
                            (int)HEARKEN_SAMPLE_U8, (int)HEARKEN_SAMPLE_F32);
    return 0;
}

size_t hearken_audio_frame_size(const struct hearken_audio_format *format)
{
    if (!format || pcm_format_check(format, NULL) < 0)
        return 0;
    return format->channels * sample_size(format->type);
}

static float load_u8(const uint8_t *bytes)
{
    return (float)(bytes[0] - 128) * 0x1p-7f;
}

static float load_s16(const uint8_t *bytes)
{
    return (float)(int16_t)load_u16(bytes) * 0x1p-15f;
}

/* Loads the upper three bytes of a 32-bit integer, which extends the sign. */
static float load_s24(const uint8_t *bytes)
{
    uint32_t bits = (uint32_t)bytes[0] << 8 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 24;
    return (float)(int32_t)bits * 0x1p-31f;
}

static float load_s32(const uint8_t *bytes)
{
    return (float)(int32_t)load_u32(bytes) * 0x1p-31f;
}

/* Comparisons with a NaN are false, so the last line catches it. */
static float tame(float sample)
{
    if (sample > AUDIO_SAMPLE_LIMIT)
        return sample <= 0x1.fffffep127f ? AUDIO_SAMPLE_LIMIT : 0;
    if (sample < -AUDIO_SAMPLE_LIMIT)
        return sample >= -0x1.fffffep127f ? -AUDIO_SAMPLE_LIMIT : 0;
    return sample == sample ? sample : 0;
}

static float load_f32(const uint8_t *bytes)
{
    return tame(load_float(bytes));
}

typedef float load_function(const uint8_t *bytes);

static load_function *const loaders[] = {
    [HEARKEN_SAMPLE_U8] = load_u8,   [HEARKEN_SAMPLE_S16] = load_s16,
    [HEARKEN_SAMPLE_S24] = load_s24, [HEARKEN_SAMPLE_S32] = load_s32,
    [HEARKEN_SAMPLE_F32] = load_f32,
};

void pcm_take_channel(const struct hearken_audio_format *format, const void *samples,
                      uint32_t channel, size_t frames, float *out)
{
    size_t size = sample_size(format->type), step = size * format->channels;
    const uint8_t *bytes = (const uint8_t *)samples + channel * size;
    load_function *load = loaders[format->type];
    for (size_t i = 0; i < frames; i++)
        out[i] = load(bytes + i * step);
}

/* ---- Mixing ---- */

/* Channels cancel if the energy of their sum is less than this share of the sum of their energies.
 * The ratio is about 1 for uncorrelated channels, and n for n equal ones. */
#define CANCEL_SHARE 0.1

/* Above this ratio they no longer cancel. */
#define MIX_SHARE 0.5

/* Noise between words may be uncorrelated where the speech cancels. So sound of at most this share
 * of the energy that cancelled does not change the decision. */
#define NOISE_SHARE 0.01

/* Decay of the energy for each hop: a time constant of about 300 ms. */
#define FADE 0.7

void mixer_init(struct mixer *mixer, const struct hearken_audio_format *format)
{
    *mixer = (struct mixer){.format = *format, .chosen = -1};
    mixer->hop = (uint32_t)(format->rate * MIXER_HOP_SECONDS);
}

/* At the end of a hop. */
static void choose(struct mixer *mixer)
{
    uint32_t channels = mixer->format.channels, loudest = 0;
    double total = 0;
    for (uint32_t i = 0; i <= channels; i++) {
        struct mixer_moments *m = &mixer->moments[i];
        double energy = m->squares - m->sum * m->sum / mixer->hop;
        m->energy = m->energy * FADE + (energy > 0 ? energy : 0);
        m->sum = m->squares = 0;
        if (i < channels)
            total += m->energy;
        if (i < channels && m->energy > mixer->moments[loudest].energy)
            loudest = i;
    }
    double sum = mixer->moments[channels].energy;
    if (mixer->chosen < 0 && sum < CANCEL_SHARE * total) {
        mixer->chosen = (int)loudest;
        mixer->cancelled = 0;
        if (mixer->alone == 0)
            mixer->alone_from = mixer->frames;
    } else if (mixer->chosen >= 0 && sum > MIX_SHARE * total &&
               total > NOISE_SHARE * mixer->cancelled) {
        mixer->chosen = -1;
    }
    if (sum < CANCEL_SHARE * total && total > mixer->cancelled)
        mixer->cancelled = total;
    mixer->heard = 0;
}

static inline __attribute__((always_inline)) void add_moment(struct mixer_moments *moments,
                                                             double value)
{
    moments->sum += value;
    moments->squares += value * value;
}

/* Inlined with constant `load` and `size`, so that each type gets a loop of its own. The sum is in
 * double precision, so that the mean of equal channels has the bits of one channel. */
static inline __attribute__((always_inline)) void mix_with(load_function *load, size_t size,
                                                           struct mixer *mixer,
                                                           const uint8_t *bytes, size_t frames,
                                                           float *mono)
{
    uint32_t channels = mixer->format.channels;
    for (size_t i = 0; i < frames; i++) {
        if (channels == 1) {
            mono[i] = load(bytes + i * size);
            continue;
        }
        double sum = 0;
        float alone = 0;
        for (uint32_t channel = 0; channel < channels; channel++, bytes += size) {
            float sample = load(bytes);
            sum += sample;
            add_moment(&mixer->moments[channel], sample);
            if ((int)channel == mixer->chosen)
                alone = sample;
        }
        add_moment(&mixer->moments[channels], sum);
        mono[i] = mixer->chosen < 0 ? (float)(sum / channels) : alone;
        mixer->frames++;
        mixer->alone += mixer->chosen >= 0;
        if (++mixer->heard == mixer->hop)
            choose(mixer);
    }
}

void mixer_mix(struct mixer *mixer, const void *samples, size_t frames, float *mono)
{
    switch (mixer->format.type) {
    case HEARKEN_SAMPLE_U8:
        mix_with(load_u8, 1, mixer, samples, frames, mono);
        break;
    case HEARKEN_SAMPLE_S16:
        mix_with(load_s16, 2, mixer, samples, frames, mono);
        break;
    case HEARKEN_SAMPLE_S24:
        mix_with(load_s24, 3, mixer, samples, frames, mono);
        break;
    case HEARKEN_SAMPLE_S32:
        mix_with(load_s32, 4, mixer, samples, frames, mono);
        break;
    case HEARKEN_SAMPLE_F32:
        mix_with(load_f32, 4, mixer, samples, frames, mono);
        break;
    }
}

void hearken_level_measure(const float *samples, size_t count, struct hearken_level *level)
{
    double energy = 0;
    float peak = 0;
    for (size_t i = 0; i < count; i++) {
        energy += (double)samples[i] * (double)samples[i];
        peak = fmaxf(peak, fabsf(samples[i]));
    }
    level->rms = count > 0 ? (float)sqrt(energy / (double)count) : 0;
    level->peak = peak;
}
