// SPDX-License-Identifier: MIT
#include "frontend/capture/microphone.h"

#include "frontend/capture/sample_ring.h"
#include "frontend/sound/pcm.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <portaudio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Callbacks a second, unless the options set the frames of one. */
#define DELIVERIES_A_SECOND 50u
/* Length of the system's buffer. It adds no delay, since each period is delivered when it is full;
 * it bounds how late the audio thread may run without an overrun. */
#define LATENCY_SECONDS 0.1
/* A stream without a callback for so long has failed. */
#define STALL_MILLISECONDS 800u
/* The first callback may take longer: a sound server may have to resume the device. */
#define FIRST_DELIVERY_MILLISECONDS 3000u
/* Samples that are downmixed at a time: at least one frame of HEARKEN_CHANNELS_MAX channels. */
#define BLOCK 4096u

struct microphone {
    PaStream *stream;
    struct sample_ring *ring;
    uint32_t rate, channels;
    struct mixer mixer; /* reader's thread only */
    int wake;
    float block[BLOCK];

    /* Atomic; only the audio thread stores them once the stream runs. */
    atomic_uint delivered_at; /* milliseconds of the monotonic clock, wrapping around */
    atomic_uint overruns, lost_frames;
    atomic_bool delivered, finished;
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_BOOL_LOCK_FREE == 2,
               "the audio thread must not take a hidden lock");

/* ---- The audio thread ---- */

/* The write fails only if the eventfd's counter is full, and then the reader is awake anyway. */
static void wake_reader(const struct microphone *microphone)
{
    static const uint64_t one = 1;
    ssize_t written = write(microphone->wake, &one, sizeof(one));
    (void)written;
}

/* Stores whole frames, since the ring's length need not be a multiple of the channels. Returns the
 * frames dropped. */
static size_t store(struct microphone *m, const float *samples, size_t frames)
{
    size_t room = sample_ring_room(m->ring) / m->channels;
    size_t fitting = frames < room ? frames : room;
    sample_ring_write(m->ring, samples, fitting * m->channels);
    return frames - fitting;
}

static int on_delivery(const void *input, void *output, unsigned long frames,
                       const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags,
                       void *context)
{
    (void)output, (void)time;
    struct microphone *m = context;
    atomic_store(&m->delivered_at, (unsigned)clock_milliseconds());
    atomic_store(&m->delivered, true);
    size_t lost = input ? store(m, input, frames) : 0;
    if (lost > 0)
        atomic_fetch_add(&m->lost_frames, (unsigned)lost);
    if (lost > 0 || (flags & paInputOverflow))
        atomic_fetch_add(&m->overruns, 1);
    wake_reader(m);
    return paContinue;
}

static void on_finish(void *context)
{
    struct microphone *m = context;
    atomic_store(&m->finished, true);
    wake_reader(m);
}

/* ---- Opening ---- */

static uint32_t choose_channels(const struct microphone_options *options, const PaDeviceInfo *info)
{
    uint32_t most = (uint32_t)info->maxInputChannels;
    uint32_t wanted = options->channels > 0 ? options->channels : 2;
    return wanted < most ? wanted : most;
}

static uint32_t default_rate(const PaDeviceInfo *info)
{
    double rate = info->defaultSampleRate;
    bool usable = rate >= HEARKEN_RATE_MIN && rate <= HEARKEN_RATE_MAX;
    return usable ? (uint32_t)rate : 48000;
}

static PaError open_stream(struct microphone *m, int index, uint32_t rate,
                           const struct microphone_options *options)
{
    PaStreamParameters parameters = {
        .device = index,
        .channelCount = (int)m->channels,
        .sampleFormat = paFloat32,
        .suggestedLatency = LATENCY_SECONDS,
    };
    unsigned long frames = options->frames > 0 ? options->frames : rate / DELIVERIES_A_SECOND;
    m->rate = rate;
    return Pa_OpenStream(&m->stream, &parameters, NULL, rate, frames, paClipOff | paDitherOff,
                         on_delivery, m);
}

/* At the requested rate, or at the device's default rate if it does not support that one. */
static PaError open_with_fallback_rate(struct microphone *m, int index,
                                       const struct microphone_options *options)
{
    uint32_t own = default_rate(Pa_GetDeviceInfo(index));
    uint32_t first = options->rate > 0 ? options->rate : own;
    PaError code = open_stream(m, index, first, options);
    if (code == paInvalidSampleRate && first != own)
        code = open_stream(m, index, own, options);
    return code;
}

/* PortAudio has the text of an "unanticipated host error" in a separate struct. */
static const char *reason_of(PaError code)
{
    const PaHostErrorInfo *host = Pa_GetLastHostErrorInfo();
    if (code == paUnanticipatedHostError && host && host->errorText && *host->errorText)
        return host->errorText;
    return Pa_GetErrorText(code);
}

static int start(struct microphone *m, int index, const struct microphone_options *options,
                 struct hearken_error *error)
{
    const char *name = Pa_GetDeviceInfo(index)->name;
    PaError code = open_with_fallback_rate(m, index, options);
    if (code != paNoError)
        return hearken_fail(error, -EIO, "%.200s cannot be opened: %s", name, reason_of(code));
    double samples = (double)options->buffer_seconds * m->rate * m->channels;
    int result = sample_ring_create((size_t)samples, &m->ring);
    if (result < 0)
        return hearken_fail(error, result, "%.200s: a buffer of %g seconds: %s", name,
                            (double)options->buffer_seconds, strerror(-result));
    Pa_SetStreamFinishedCallback(m->stream, on_finish);
    atomic_store(&m->delivered_at, (unsigned)clock_milliseconds());
    code = Pa_StartStream(m->stream);
    if (code != paNoError)
        return hearken_fail(error, -EIO, "%.200s cannot be started: %s", name, reason_of(code));
    return 0;
}

int microphone_open(int index, const struct microphone_options *options,
                    struct microphone **microphone, struct hearken_error *error)
{
    struct microphone *m = calloc(1, sizeof(*m));
    if (!m)
        return hearken_fail(error, -ENOMEM, "a microphone: %s", strerror(ENOMEM));
    m->wake = options->wake;
    m->channels = choose_channels(options, Pa_GetDeviceInfo(index));
    int result = start(m, index, options, error);
    if (result < 0) {
        microphone_close(m);
        return result;
    }
    const struct hearken_audio_format format = {m->rate, m->channels, HEARKEN_SAMPLE_F32};
    mixer_init(&m->mixer, &format);
    *microphone = m;
    return 0;
}

void microphone_close(struct microphone *microphone)
{
    if (!microphone)
        return;
    if (microphone->stream) {
        Pa_AbortStream(microphone->stream);
        Pa_CloseStream(microphone->stream);
    }
    sample_ring_destroy(microphone->ring);
    free(microphone);
}

/* ---- The reader ---- */

uint32_t microphone_rate(const struct microphone *microphone)
{
    return microphone->rate;
}

uint32_t microphone_channels(const struct microphone *microphone)
{
    return microphone->channels;
}

size_t microphone_waiting(const struct microphone *microphone)
{
    return sample_ring_filled(microphone->ring) / microphone->channels;
}

size_t microphone_read(struct microphone *m, float *mono, size_t frames)
{
    size_t at_once = BLOCK / m->channels;
    size_t total = 0;
    while (total < frames) {
        size_t wanted = frames - total < at_once ? frames - total : at_once;
        size_t got = sample_ring_read(m->ring, m->block, wanted * m->channels) / m->channels;
        mixer_mix(&m->mixer, m->block, got, mono + total);
        total += got;
        if (got < wanted)
            break;
    }
    return total;
}

struct microphone_counts microphone_counts(const struct microphone *microphone)
{
    return (struct microphone_counts){
        .overruns = atomic_load(&microphone->overruns),
        .lost_frames = atomic_load(&microphone->lost_frames),
    };
}

const char *microphone_failure(const struct microphone *microphone)
{
    if (atomic_load(&microphone->finished))
        return "the device stopped";
    unsigned silent = (unsigned)clock_milliseconds() - atomic_load(&microphone->delivered_at);
    bool delivered = atomic_load(&microphone->delivered);
    /* A delivery after the clock was read makes the difference negative. */
    if ((int)silent <= (int)(delivered ? STALL_MILLISECONDS : FIRST_DELIVERY_MILLISECONDS))
        return NULL;
    return delivered ? "sound stopped arriving" : "no sound arrived";
}

bool microphone_has_delivered(const struct microphone *microphone)
{
    return atomic_load(&microphone->delivered);
}
