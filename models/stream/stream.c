// SPDX-License-Identifier: MIT
/*
 * A stream: samples in, events out. Converts sound to HEARKEN_RATE, mixed or channel by channel,
 * and has it recognised.
 */
#include "frontend/features/logmel.h"
#include "frontend/sound/pcm.h"
#include "frontend/sound/resample.h"
#include "include/internal/monotonic_clock.h"
#include "include/internal/sized_options.h"
#include "models/search/custom_words.h"
#include "models/stream/channel.h"
#include "models/stream/encoder_pool.h"
#include "models/stream/separator.h"
#include "models/stream/stream_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frames converted at a time. */
#define BLOCK 4096u

/* A lane gets this much of its silence. The rest is skipped, as nothing can follow from it: no
 * segment reaches back so far. */
#define SILENT_HOPS (3 * HEARKEN_RATE / SEPARATOR_HOP)

/* Longer than any recording. */
#define RESUME_SECONDS_MAX 1e9

_Static_assert(SEPARATOR_HOP % LOGMEL_HOP == 0, "whole frames are skipped");

/* A lane of the separator. */
struct lane {
    struct channel *channel; /* NULL: nothing but silence so far */
    unsigned silent;         /* hops of silence, at most SILENT_HOPS */
};

struct hearken_stream {
    struct channel_setup setup;
    struct custom_words *words; /* NULL: none */
    atomic_bool cancelled;
    bool finished;
    int failed;            /* error of an earlier write or finish; 0: none */
    double write_returned; /* when the last write returned, seconds of the monotonic clock; 0: no
                              write yet */

    struct mixer mixer;
    uint32_t tracks; /* signals that are resampled: 1, mixed, or one for each channel */
    struct resampler *resamplers[HEARKEN_CHANNELS_EACH_MAX];
    float *ready[HEARKEN_CHANNELS_EACH_MAX]; /* [room]: resampled */
    size_t room;
    float *block;   /* [BLOCK]: before resampling */
    uint64_t count; /* samples at HEARKEN_RATE so far, of each track */

    struct separator *separator; /* NULL: there is only lane 0 */
    struct lane lanes[SEPARATOR_LANES];
    uint64_t lane_count; /* samples of each lane so far */
    uint64_t resume;     /* segments that begin before this sample are not recognised */
    bool is_spoken;      /* somebody speaks now */
    double waiting;      /* seconds of sound that waited during the last write; if is_spoken */
    double next_waiting; /* likewise, during the next one */
};

static const float silence[SEPARATOR_HOP];

/* ---- Creating ---- */

/* Whether the channels are told apart. */
static bool is_separate(const struct hearken_stream_options *options)
{
    uint32_t channels = options->audio.channels;
    return channels > 1 &&
           (options->channels == HEARKEN_CHANNELS_EACH ||
            (options->channels == HEARKEN_CHANNELS_AUTO && channels <= HEARKEN_CHANNELS_AUTO_MAX));
}

static int create_tracks(struct hearken_stream *s)
{
    s->block = malloc(BLOCK * sizeof(*s->block));
    int result = s->block ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < s->tracks && result == 0; i++)
        result = resampler_create(s->setup.options.audio.rate, &s->resamplers[i]);
    return result;
}

/* The first lane is made at once, so that options that the model cannot do are refused. */
static int create_parts(struct hearken_stream *s, struct hearken_error *error)
{
    const struct hearken_stream_options *options = &s->setup.options;
    bool separate = is_separate(options), automatic = options->channels == HEARKEN_CHANNELS_AUTO;
    uint32_t first = separate && !automatic ? 1 : 0;
    s->tracks = separate ? options->audio.channels : 1;
    mixer_init(&s->mixer, &options->audio);
    int result = channel_create(&s->setup, first, &s->lanes[first].channel, error);
    if (result < 0)
        return result;
    result = create_tracks(s);
    if (result == 0 && separate)
        result = separator_create(s->tracks, automatic, &s->separator);
    return result < 0 ? hearken_fail(error, result, "cannot create a stream: %s", strerror(-result))
                      : 0;
}

int hearken_stream_create(struct hearken_model *model, const struct hearken_stream_options *options,
                          hearken_event_callback *callback, void *context,
                          struct hearken_stream **stream, struct hearken_error *error)
{
    struct hearken_stream_options own;
    hearken_stream_options_init(&own);
    int result = options_copy("options", &own, sizeof(own), sizeof(own), options, error);
    if (result < 0 || (result = stream_options_check(&own, error)) < 0)
        return result;
    if (!model || !callback)
        return hearken_fail(error, -EINVAL, "a stream needs a model and a callback");
    struct hearken_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (own.custom_words &&
        (result = custom_words_create(own.custom_words, &model->network->vocabulary, &s->words,
                                      error)) < 0) {
        free(s);
        return result;
    }
    own.custom_words = NULL; /* owned by the caller, who may free it */
    s->setup = (struct channel_setup){
        .model = model,
        .options = own,
        .words = s->words,
        .is_urgent = own.partial_seconds > 0 || own.endpointing,
        .cancelled = &s->cancelled,
        .callback = callback,
        .context = context,
    };
    if ((result = create_parts(s, error)) < 0) {
        hearken_stream_destroy(s);
        return result;
    }
    *stream = s;
    return 0;
}

void hearken_stream_cancel(struct hearken_stream *stream)
{
    atomic_store(&stream->cancelled, true);
    encoder_pool_notice(stream->setup.model->encoders);
}

void hearken_stream_destroy(struct hearken_stream *stream)
{
    if (!stream)
        return;
    hearken_stream_cancel(stream); /* segments that are being recognised */
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        channel_destroy(stream->lanes[i].channel);
    separator_destroy(stream->separator);
    custom_words_destroy(stream->words);
    for (uint32_t i = 0; i < HEARKEN_CHANNELS_EACH_MAX; i++) {
        resampler_destroy(stream->resamplers[i]);
        free(stream->ready[i]);
    }
    free(stream->block);
    free(stream);
}

void hearken_stream_count(const struct hearken_stream *stream,
                          struct hearken_stream_counters *counters)
{
    *counters = (struct hearken_stream_counters){0};
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (stream->lanes[i].channel)
            channel_count(stream->lanes[i].channel, counters);
}

/* ---- Lanes ---- */

/* Makes the recogniser of a lane, with the silence before its first sound that a segment may reach
 * back to. */
static int create_lane(struct hearken_stream *s, uint32_t number)
{
    struct lane *lane = &s->lanes[number];
    uint64_t hops = s->lane_count / SEPARATOR_HOP;
    int result = channel_create(&s->setup, number, &lane->channel, NULL);
    lane->silent = hops < SILENT_HOPS ? (unsigned)hops : SILENT_HOPS;
    if (result == 0)
        channel_resume(lane->channel, s->resume);
    if (result == 0 && s->is_spoken)
        channel_set_waiting(lane->channel, s->next_waiting);
    if (result == 0)
        channel_skip(lane->channel, (hops - lane->silent) * SEPARATOR_HOP);
    for (unsigned i = 0; i < lane->silent && result == 0; i++)
        result = channel_write(lane->channel, silence, SEPARATOR_HOP);
    return result;
}

/* Whether a lane needs no recogniser before it has sound. Segments that are cut by level count from
 * the start, so they need one at once. */
static bool can_wait(const struct hearken_stream *s)
{
    return s->setup.model->vad && s->setup.options.voice;
}

/* Writes a hop of a lane, or skips it. `samples` NULL: silence. */
static int write_lane(struct hearken_stream *s, uint32_t number, const float *samples, size_t count)
{
    struct lane *lane = &s->lanes[number];
    if (!lane->channel && (samples || !can_wait(s))) {
        int result = create_lane(s, number);
        if (result < 0)
            return result;
    }
    if (!lane->channel)
        return 0;
    lane->silent = samples ? 0 : lane->silent + 1;
    if (lane->silent > SILENT_HOPS && count == SEPARATOR_HOP && channel_rests(lane->channel)) {
        lane->silent = SILENT_HOPS;
        channel_skip(lane->channel, count);
        return 0;
    }
    return channel_write(lane->channel, samples ? samples : silence, count);
}

/* Tells each lane whether somebody speaks in another one. */
static void take_turns(struct hearken_stream *s)
{
    unsigned speaking = 0;
    bool speaks[SEPARATOR_LANES] = {false};
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++) {
        speaks[i] = s->lanes[i].channel && channel_is_speaking(s->lanes[i].channel);
        speaking += speaks[i];
    }
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (s->lanes[i].channel)
            channel_set_turn(s->lanes[i].channel, speaking > (speaks[i] ? 1 : 0));
}

static int write_lanes(struct hearken_stream *s)
{
    struct separator_hop hop;
    while (separator_next(s->separator, &hop)) {
        for (uint32_t i = 0; i <= s->tracks; i++) {
            int result = write_lane(s, i, hop.lanes[i], hop.count);
            if (result < 0)
                return result;
        }
        s->lane_count += hop.count;
        take_turns(s);
    }
    return 0;
}

/* Gives the separator `count` samples of each track. */
static int separate(struct hearken_stream *s, size_t count)
{
    for (size_t done = 0; done < count;) {
        size_t more = count - done < SEPARATOR_HOP ? count - done : SEPARATOR_HOP;
        float *tracks[HEARKEN_CHANNELS_EACH_MAX];
        for (uint32_t i = 0; i < s->tracks; i++)
            tracks[i] = s->ready[i] + done;
        separator_feed(s->separator, tracks, more);
        int result = write_lanes(s);
        if (result < 0)
            return result;
        done += more;
    }
    return 0;
}

/* ---- Samples ---- */

/* Room for `count` resampled samples of each track. */
static int reserve(struct hearken_stream *s, size_t count)
{
    if (count <= s->room)
        return 0;
    for (uint32_t i = 0; i < s->tracks; i++) {
        float *grown = realloc(s->ready[i], count * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->ready[i] = grown;
    }
    s->room = count;
    return 0;
}

static int process_block(struct hearken_stream *s, const uint8_t *samples, size_t frames)
{
    const struct hearken_audio_format *format = &s->setup.options.audio;
    int result = reserve(s, resampler_room(s->resamplers[0], frames));
    if (result < 0)
        return result;
    long got = 0; /* the same for all tracks */
    for (uint32_t i = 0; i < s->tracks; i++) {
        if (s->separator)
            pcm_take_channel(format, samples, i, frames, s->block);
        else
            mixer_mix(&s->mixer, samples, frames, s->block);
        got = resampler_process(s->resamplers[i], s->block, frames, s->ready[i]);
        if (got < 0)
            return (int)got;
    }
    s->count += (size_t)got;
    return s->separator ? separate(s, (size_t)got)
                        : channel_write(s->lanes[0].channel, s->ready[0], (size_t)got);
}

static int finish_lanes(struct hearken_stream *s, size_t count)
{
    int result = separate(s, count);
    if (result < 0)
        return result;
    separator_finish(s->separator);
    result = write_lanes(s);
    for (uint32_t i = 0; i < SEPARATOR_LANES && result == 0; i++)
        if (s->lanes[i].channel)
            result = channel_finish(s->lanes[i].channel, NULL, 0);
    return result;
}

static int process_rest(struct hearken_stream *s)
{
    int result = reserve(s, resampler_room(s->resamplers[0], 0));
    if (result < 0)
        return result;
    long got = 0;
    for (uint32_t i = 0; i < s->tracks; i++) {
        got = resampler_flush(s->resamplers[i], s->ready[i]);
        if (got < 0)
            return (int)got;
    }
    s->count += (size_t)got;
    return s->separator ? finish_lanes(s, (size_t)got)
                        : channel_finish(s->lanes[0].channel, s->ready[0], (size_t)got);
}

static int check_usable(const struct hearken_stream *s, struct hearken_error *error)
{
    if (atomic_load(&s->cancelled))
        return hearken_fail(error, -ECANCELED, "the stream was cancelled");
    if (s->failed < 0)
        return hearken_fail(error, s->failed, "the stream failed earlier: %s",
                            strerror(-s->failed));
    if (s->finished)
        return hearken_fail(error, -EINVAL, "the stream is finished");
    return 0;
}

static int fail_stream(struct hearken_stream *s, int result, struct hearken_error *error)
{
    s->failed = result;
    if (result == -ECANCELED)
        return hearken_fail(error, result, "the stream was cancelled");
    if (result == -ENOMEM)
        return hearken_fail(error, result, "out of memory");
    return hearken_fail(error, result, "the backend '%s' failed: %s",
                        hearken_model_backend(s->setup.model), strerror(-result));
}

static void add_idle(struct hearken_stream *s, double seconds)
{
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (s->lanes[i].channel)
            channel_add_idle(s->lanes[i].channel, seconds);
}

int hearken_stream_write(struct hearken_stream *stream, const void *samples, size_t frames,
                         struct hearken_error *error)
{
    int result = check_usable(stream, error);
    size_t frame_size = hearken_audio_frame_size(&stream->setup.options.audio);
    const uint8_t *at = samples;
    if (stream->write_returned > 0 && stream->waiting <= 0)
        add_idle(stream, clock_seconds() - stream->write_returned);
    while (result == 0 && frames > 0) {
        size_t block = frames < BLOCK ? frames : BLOCK;
        if ((result = process_block(stream, at, block)) < 0)
            return fail_stream(stream, result, error);
        at += block * frame_size;
        frames -= block;
    }
    stream->write_returned = clock_seconds();
    stream->waiting = stream->next_waiting;
    return result;
}

void hearken_stream_set_waiting(struct hearken_stream *stream, double seconds)
{
    stream->is_spoken = true;
    stream->next_waiting = seconds;
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (stream->lanes[i].channel)
            channel_set_waiting(stream->lanes[i].channel, seconds);
}

void hearken_stream_set_urgent(struct hearken_stream *stream, bool is_urgent)
{
    stream->setup.is_urgent = is_urgent;
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (stream->lanes[i].channel)
            channel_set_urgent(stream->lanes[i].channel, is_urgent);
}

/* ---- Going on where another stream ended ---- */

static bool is_independent(const struct hearken_stream *s)
{
    bool independent = true;
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (s->lanes[i].channel)
            independent = independent && channel_is_independent(s->lanes[i].channel);
    return independent;
}

/* The first sample that a segment of a lane may still begin with. */
static uint64_t first_needed(const struct hearken_stream *s, const struct lane *lane)
{
    uint64_t silent = (uint64_t)SILENT_HOPS * SEPARATOR_HOP;
    if (lane->channel)
        return channel_first_needed(lane->channel);
    return s->lane_count > silent ? s->lane_count - silent : 0;
}

double hearken_stream_border(const struct hearken_stream *stream)
{
    uint32_t lanes = stream->separator ? stream->tracks + 1 : 1;
    uint64_t border = UINT64_MAX, ended = 0;
    for (uint32_t i = 0; i < lanes; i++) {
        const struct lane *lane = &stream->lanes[i];
        uint64_t needed = first_needed(stream, lane);
        uint64_t end = lane->channel ? channel_last_end(lane->channel) : 0;
        border = needed < border ? needed : border;
        ended = end > ended ? end : ended;
    }
    return ended <= border && is_independent(stream) ? (double)border / HEARKEN_RATE : 0;
}

int hearken_stream_resume(struct hearken_stream *stream, double seconds,
                          struct hearken_error *error)
{
    if (stream->write_returned > 0)
        return hearken_fail(error, -EINVAL, "the stream has been written to: expected a new one");
    if (!(seconds >= 0 && seconds < RESUME_SECONDS_MAX))
        return hearken_fail(error, -EINVAL, "cannot go on at %g seconds: expected 0 to %g", seconds,
                            RESUME_SECONDS_MAX);
    if (seconds > 0 && !is_independent(stream))
        return hearken_fail(error, -EINVAL,
                            "cannot go on within a recording: partial_seconds, voice_events, "
                            "previous_text or "
                            "language auto makes each text depend on those before it");
    stream->resume = (uint64_t)llround(seconds * HEARKEN_RATE);
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        if (stream->lanes[i].channel)
            channel_resume(stream->lanes[i].channel, stream->resume);
    return 0;
}

int hearken_stream_finish(struct hearken_stream *stream, struct hearken_error *error)
{
    int result = check_usable(stream, error);
    if (result < 0)
        return result;
    if ((result = process_rest(stream)) < 0)
        return fail_stream(stream, result, error);
    stream->finished = true;
    double end = (double)stream->count / HEARKEN_RATE;
    const struct hearken_event event = {
        .type = HEARKEN_EVENT_END, .start = end, .end = end, .text = "", .language = ""};
    stream->setup.callback(stream->setup.context, &event);
    return 0;
}
