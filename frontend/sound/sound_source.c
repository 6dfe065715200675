// SPDX-License-Identifier: MIT
/*
 * A recording as mono float at HEARKEN_RATE: decoded, downmixed and resampled; or its channels,
 * each resampled. Reading continues after damage, which hearken_source_warning() reports.
 */
#include "frontend/sound/decoder.h"
#include "frontend/sound/pcm.h"
#include "frontend/sound/resample.h"
#include "include/internal/sized_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Frames that are converted at a time: a quarter of a second at 16 kHz. */
#define SOURCE_BLOCK 4096u

/* Damage closer than this to the last counts as the same place. */
#define PLACE_SECONDS 1.0

/* Channels that cancel for a shorter time cause no warning. */
#define CANCEL_SECONDS 0.5

/* The part of a recording whose peak shows the scale of its floating point samples. */
#define PEAK_SECONDS 60.0

/* A peak above this means that the samples are not scaled to -1..1. */
#define PEAK_LIMIT 8.0f

/* Level measurements a second. */
#define QUIET_FRAMES 50

/* A recording is amplified if no frame reaches this mean square, -62 dBFS. Speech is recognised
 * down to this level, and the noise of microphones is seldom louder. */
#define QUIET_POWER 6.3e-7

/* Mean square of the loudest frame after amplification, -26 dBFS. */
#define SPEECH_POWER 2.5e-3

/* Largest gain, 40 dB: the quantisation noise of 16 bits then stays below QUIET_POWER. */
#define GAIN_MAX 100

#define WARNINGS_MAX 3

struct warning {
    double seconds;
    bool lossy;
    char message[512];
};

struct source_damage {
    unsigned places;
    double first, last; /* seconds: the first and last place */
    char reason[128];   /* of the first */
    bool short_end;
    double end;
    char end_reason[128];
};

struct hearken_source {
    struct input input;
    struct decoder *decoder;
    struct decoder_block block; /* `taken` frames are consumed; `lost` frames are still to fill */
    size_t taken;
    bool peeked;                       /* the block was read before its turn */
    struct hearken_audio_format first; /* of the first block; rate 0: there is none, or no valid */
    float scale;                       /* of floating point samples; 1 if they are -1..1 */
    float gain; /* the scale, times the amplification of a very quiet recording */
    double seconds;

    struct mixer mixer;
    double mixer_began;            /* seconds */
    uint32_t channels;             /* that are given; 1: mixed */
    struct resampler **resamplers; /* [channels] */
    uint32_t rate;                 /* of the resamplers; 0: there are none */
    float *mono;                   /* [SOURCE_BLOCK] */
    float *resampled;              /* [ready_room]: of one channel, if there are several */
    float *ready; /* [ready_room, channels] at HEARKEN_RATE; ready_at <= i < ready_end are not yet
                   * read */
    size_t ready_room, ready_at, ready_end;
    bool ended, begun;
    int failure; /* 0, or the errno that the next read returns, with `message` */
    struct hearken_error message;

    struct source_damage damage;
    double cancel_from, cancel_seconds;
    struct warning warnings[WARNINGS_MAX];
    size_t warning_count;
};

/* ---- Open ---- */

static int open_decoder(struct hearken_source *source, const struct hearken_source_options *options,
                        struct hearken_error *error)
{
    const struct decoder_options foreign = {.program = options->decoder, .track = options->track};
    return options->raw ? decoder_open_raw(&source->input, options->raw, &source->decoder, error)
                        : decoder_open(&source->input, &foreign, &source->decoder, error);
}

/* The result of the first pass over a recording. */
struct survey {
    float peak;     /* largest magnitude of floating point samples in the first seconds */
    double loudest; /* variance of the loudest frame */
    double sum, squares;
    uint32_t heard; /* samples of the current frame so far */
};

static void survey_peak(struct survey *survey, const struct decoder_block *block)
{
    for (size_t i = 0; i < block->frames * block->format.channels; i++) {
        float sample;
        memcpy(&sample, (const uint8_t *)block->samples + i * sizeof(sample), sizeof(sample));
        sample = fabsf(sample);
        if (sample > survey->peak && isfinite(sample))
            survey->peak = sample;
    }
}

static void survey_level(struct survey *survey, const float *mono, size_t count, uint32_t frame)
{
    for (size_t i = 0; i < count; i++) {
        survey->sum += mono[i];
        survey->squares += (double)mono[i] * mono[i];
        if (++survey->heard < frame)
            continue;
        double mean = survey->sum / frame, power = survey->squares / frame - mean * mean;
        survey->loudest = fmax(survey->loudest, power);
        survey->sum = survey->squares = 0;
        survey->heard = 0;
    }
}

/* Stops at the first frame that is loud enough, which most recordings have near their start. */
static int survey_recording(struct hearken_source *source, struct survey *survey,
                            struct hearken_error *error)
{
    struct decoder *decoder = source->decoder;
    struct mixer mixer = {0};
    double seconds = 0;
    while (survey->loudest < QUIET_POWER || (decoder->floats && seconds < PEAK_SECONDS)) {
        struct decoder_block block;
        int result = decoder->class->read(decoder, &block, error);
        if (result < 0 || block.frames == 0)
            return result == -ENOMEM ? result : 0;
        if (decoder_check_format(NULL, &block.format, NULL) < 0)
            return 0;
        if (decoder->floats && seconds < PEAK_SECONDS)
            survey_peak(survey, &block);
        if (mixer.format.rate != block.format.rate ||
            mixer.format.channels != block.format.channels)
            mixer_init(&mixer, &block.format);
        const uint8_t *bytes = block.samples;
        for (size_t done = 0; done < block.frames;) {
            size_t left = block.frames - done;
            size_t count = left < SOURCE_BLOCK ? left : SOURCE_BLOCK;
            mixer_mix(&mixer, bytes + done * hearken_audio_frame_size(&block.format), count,
                      source->mono);
            survey_level(survey, source->mono, count, block.format.rate / QUIET_FRAMES);
            done += count;
        }
        seconds += (double)block.frames / block.format.rate;
    }
    return 0;
}

/* The gain that amplifies the loudest frame of a quiet recording to SPEECH_POWER; 1 for digital
 * silence. */
static float gain_for(double loudest)
{
    if (loudest >= QUIET_POWER || loudest <= 0)
        return 1;
    double gain = sqrt(SPEECH_POWER / loudest);
    return (float)fmin(gain, GAIN_MAX);
}

/* Some programs write integers as floating point without scaling them. Assumes the narrowest
 * integer type that holds the peak. */
static float scale_for(float peak)
{
    if (peak <= PEAK_LIMIT)
        return 1;
    return peak <= 0x1.02p15f ? 0x1p-15f : peak <= 0x1.02p23f ? 0x1p-23f : 0x1p-31f;
}

/* Makes a first pass over a file to find its scale and gain. */
static int find_scale(struct hearken_source *source, const struct hearken_source_options *options,
                      struct hearken_error *error)
{
    struct survey survey = {0};
    if (!input_rewinds(&source->input))
        return 0;
    int result = survey_recording(source, &survey, error);
    if (result < 0)
        return result;
    source->scale = scale_for(survey.peak);
    source->gain = source->scale * gain_for(survey.loudest * source->scale * source->scale);
    if (source->decoder->class->rewind && source->decoder->class->rewind(source->decoder))
        return 0;
    decoder_destroy(source->decoder);
    source->decoder = NULL;
    result = input_seek(&source->input, 0, error);
    return result < 0 ? result : open_decoder(source, options, error);
}

void hearken_source_options_init_sized(struct hearken_source_options *options, size_t struct_size)
{
    memset(options, 0, struct_size);
    options->struct_size = struct_size;
}

static int read_options(const struct hearken_source_options *from,
                        struct hearken_source_options *options, struct hearken_error *error)
{
    struct hearken_error wrong;
    hearken_source_options_init(options);
    int result = from ? options_copy("source options", options, sizeof(*options), sizeof(*options),
                                     from, error)
                      : 0;
    if (result == 0 && options->raw && pcm_format_check(options->raw, &wrong) < 0)
        result = hearken_fail(error, -EINVAL, "raw PCM with %s", wrong.message);
    return result;
}

static int create(const char *name, struct hearken_source **source, struct hearken_error *error)
{
    *source = calloc(1, sizeof(**source));
    if (!*source)
        return hearken_fail(error, -ENOMEM, "%s: %s", name, strerror(ENOMEM));
    (*source)->scale = (*source)->gain = 1;
    (*source)->channels = 1;
    (*source)->input.fd = -1;
    return 0;
}

/* The input is open. */
static int open_input(struct hearken_source *source, const struct hearken_source_options *options,
                      struct hearken_error *error)
{
    source->mono = malloc(SOURCE_BLOCK * sizeof(*source->mono));
    source->resamplers = calloc(1, sizeof(struct resampler *));
    int result = source->mono && source->resamplers ? open_decoder(source, options, error)
                                                    : decoder_fail_memory(&source->input, error);
    return result < 0 ? result : find_scale(source, options, error);
}

int hearken_source_open(const char *path, const struct hearken_source_options *options,
                        struct hearken_source **source, struct hearken_error *error)
{
    struct hearken_source_options known;
    struct hearken_source *opened;
    if (!path)
        return hearken_fail(error, -EINVAL, "path is NULL, expected a file or -");
    int result = read_options(options, &known, error);
    if (result < 0 || (result = create(path, &opened, error)) < 0)
        return result;
    result = input_open(&opened->input, path, error);
    if (result == 0)
        result = open_input(opened, &known, error);
    if (result < 0)
        hearken_source_destroy(opened);
    else
        *source = opened;
    return result;
}

int hearken_source_open_reader(const struct hearken_reader *reader, const char *name,
                               const struct hearken_source_options *options,
                               struct hearken_source **source, struct hearken_error *error)
{
    struct hearken_source_options known;
    struct hearken_source *opened;
    if (!reader || !reader->read || !name)
        return hearken_fail(error, -EINVAL, "%s is NULL, expected one",
                            name ? "the reader or its function" : "name");
    int result = read_options(options, &known, error);
    if (result < 0 || (result = create(name, &opened, error)) < 0)
        return result;
    input_open_reader(&opened->input, reader, name);
    result = open_input(opened, &known, error);
    if (result < 0)
        hearken_source_destroy(opened);
    else
        *source = opened;
    return result;
}

static void destroy_resamplers(struct hearken_source *source)
{
    for (uint32_t i = 0; source->resamplers && i < source->channels; i++) {
        resampler_destroy(source->resamplers[i]);
        source->resamplers[i] = NULL;
    }
    source->rate = 0;
}

void hearken_source_destroy(struct hearken_source *source)
{
    if (!source)
        return;
    decoder_destroy(source->decoder);
    input_close(&source->input);
    destroy_resamplers(source);
    free(source->resamplers);
    free(source->resampled);
    free(source->ready);
    free(source->mono);
    free(source);
}

double hearken_source_duration(const struct hearken_source *source)
{
    return source->decoder->duration;
}

float hearken_source_gain(const struct hearken_source *source)
{
    return source->gain / source->scale;
}

bool hearken_source_track(struct hearken_source *source, size_t index,
                          struct hearken_source_track *track)
{
    const struct decoder *decoder = source->decoder;
    if (index >= (decoder->tracks ? decoder->track_count : 1))
        return false;
    if (!decoder->tracks) {
        *track = (struct hearken_source_track){
            .container = decoder->container,
            .codec = decoder->codec,
            .seconds = decoder->duration,
            .channels = hearken_source_channels(source),
            .rate = source->first.rate,
            .chosen = true,
        };
        return true;
    }
    const struct sound_track *known = &decoder->tracks[index];
    *track = (struct hearken_source_track){
        .container = known->container[0] ? known->container : NULL,
        .codec = known->codec[0] ? known->codec : NULL,
        .language = known->language[0] ? known->language : NULL,
        .seconds = known->seconds,
        .rate = known->rate,
        .channels = known->channels,
        .chosen = known->chosen,
    };
    return true;
}

/* ---- Warnings ---- */

static void note_damage(struct hearken_source *source, const char *reason)
{
    struct source_damage *d = &source->damage;
    if (d->places == 0) {
        d->first = source->seconds;
        snprintf(d->reason, sizeof(d->reason), "%s", reason);
    }
    if (d->places == 0 || source->seconds - d->last > PLACE_SECONDS)
        d->places++;
    d->last = source->seconds;
}

static void note_short_end(struct hearken_source *source, const char *reason)
{
    struct source_damage *d = &source->damage;
    d->short_end = true;
    d->end = source->seconds;
    snprintf(d->end_reason, sizeof(d->end_reason), "%s", reason);
}

/* Records what the mixer did, before it is reset. */
static void note_cancelling(struct hearken_source *source)
{
    const struct mixer *mixer = &source->mixer;
    if (mixer->alone == 0)
        return;
    double rate = mixer->format.rate;
    if (source->cancel_seconds <= 0)
        source->cancel_from = source->mixer_began + (double)mixer->alone_from / rate;
    source->cancel_seconds += (double)mixer->alone / rate;
}

static struct warning *add_warning(struct hearken_source *source, double seconds, bool lossy)
{
    struct warning *warning = &source->warnings[source->warning_count++];
    warning->seconds = seconds;
    warning->lossy = lossy;
    return warning;
}

static void warn_of_damage(struct hearken_source *source)
{
    const struct source_damage *d = &source->damage;
    const char *name = source->input.name;
    if (d->places == 0 && d->short_end) {
        struct warning *warning = add_warning(source, d->end, true);
        snprintf(warning->message, sizeof(warning->message), "%s: ends too early, at %.2f s (%s)",
                 name, d->end, d->end_reason);
    } else if (d->places > 0) {
        char more[64] = "", end[64] = "";
        if (d->places > 1)
            snprintf(more, sizeof(more), " and at %u more places", d->places - 1);
        if (d->short_end)
            snprintf(end, sizeof(end), "; it ends too early, at %.2f s", d->end);
        struct warning *warning = add_warning(source, d->first, true);
        snprintf(warning->message, sizeof(warning->message), "%s: is damaged at %.2f s (%s)%s%s",
                 name, d->first, d->reason, more, end);
    }
}

/* At the end of the recording. */
static void collect_warnings(struct hearken_source *source)
{
    note_cancelling(source);
    warn_of_damage(source);
    if (source->scale < 1) {
        struct warning *warning = add_warning(source, 0, false);
        snprintf(warning->message, sizeof(warning->message),
                 "%s: has floating point samples far beyond -1 to 1: taken as %.0f times as large",
                 source->input.name, 1 / (double)source->scale);
    }
    if (source->cancel_seconds >= CANCEL_SECONDS) {
        struct warning *warning = add_warning(source, source->cancel_from, false);
        snprintf(warning->message, sizeof(warning->message),
                 "%s: its channels cancel each other from %.2f s on: one of them is taken",
                 source->input.name, source->cancel_from);
    }
}

bool hearken_source_warning(const struct hearken_source *source, size_t index,
                            struct hearken_source_warning *warning)
{
    if (index >= source->warning_count)
        return false;
    *warning = (struct hearken_source_warning){
        .message = source->warnings[index].message,
        .seconds = source->warnings[index].seconds,
        .lossy = source->warnings[index].lossy,
    };
    return true;
}

/* ---- Read ---- */

static int reserve_ready(struct hearken_source *source, size_t room)
{
    if (room <= source->ready_room)
        return 0;
    float *grown = realloc(source->ready, room * source->channels * sizeof(*grown));
    if (!grown)
        return decoder_fail_memory(&source->input, &source->message);
    source->ready = grown;
    if (source->channels > 1) {
        grown = realloc(source->resampled, room * sizeof(*grown));
        if (!grown)
            return decoder_fail_memory(&source->input, &source->message);
        source->resampled = grown;
    }
    source->ready_room = room;
    return 0;
}

/* Where the resampled samples of a channel are written. */
static float *resampled_at(struct hearken_source *source)
{
    return source->channels > 1 ? source->resampled : source->ready;
}

/* Puts `count` resampled samples of a channel where they belong. */
static void put_ready(struct hearken_source *source, uint32_t channel, size_t count)
{
    for (size_t i = 0; source->channels > 1 && i < count; i++)
        source->ready[i * source->channels + channel] = source->resampled[i];
    source->ready_end = count;
}

/* A read error counts as the end of the file, or as an error if no samples came before it. */
static int read_block(struct hearken_source *source)
{
    struct decoder_block *block = &source->block;
    source->taken = 0;
    if (source->peeked) {
        source->peeked = false;
        return source->failure;
    }
    int result = source->decoder->class->read(source->decoder, block, &source->message);
    if (result == -ENOMEM || (result < 0 && source->seconds <= 0))
        return result;
    if (result < 0)
        *block = (struct decoder_block){.damage = source->message.message, .short_end = true};
    if (block->damage && block->short_end)
        note_short_end(source, block->damage);
    else if (block->damage)
        note_damage(source, block->damage);
    if (source->first.rate == 0 && block->frames > 0 &&
        decoder_check_format(NULL, &block->format, NULL) == 0)
        source->first = block->format;
    uint64_t most = (uint64_t)block->format.rate * DECODER_LOST_SECONDS;
    if (block->lost > most)
        block->lost = most;
    return 0;
}

/* Fills `ready` with what the resampler still holds. */
static int flush(struct hearken_source *source)
{
    if (source->rate == 0)
        return 0;
    int result = reserve_ready(source, resampler_room(source->resamplers[0], 0));
    for (uint32_t i = 0; i < source->channels && result == 0; i++) {
        long count = resampler_flush(source->resamplers[i], resampled_at(source));
        if (count < 0)
            return decoder_fail_memory(&source->input, &source->message);
        put_ready(source, i, (size_t)count);
    }
    return result;
}

/* Sets mixer and resampler up for the block's format; first returns the samples that the resampler
 * holds of another rate. */
static int use_format(struct hearken_source *source)
{
    const struct hearken_audio_format *format = &source->block.format;
    struct hearken_audio_format *now = &source->mixer.format;
    if (format->rate == now->rate && format->channels == now->channels && format->type == now->type)
        return 0;
    int result = decoder_check_format(&source->input, format, &source->message);
    if (result < 0)
        return result;
    note_cancelling(source);
    mixer_init(&source->mixer, format);
    source->mixer_began = source->seconds;
    if (format->rate == source->rate)
        return 0;
    if ((result = flush(source)) < 0)
        return result;
    destroy_resamplers(source);
    for (uint32_t i = 0; i < source->channels; i++)
        if (resampler_create(format->rate, &source->resamplers[i]) < 0)
            return decoder_fail_memory(&source->input, &source->message);
    source->rate = format->rate;
    return 0;
}

/* How many frames are next: of the block, or of the lost ones before it. */
static size_t next_frames(const struct hearken_source *source)
{
    const struct decoder_block *block = &source->block;
    uint64_t left = block->lost > 0 ? block->lost : block->frames - source->taken;
    return left < SOURCE_BLOCK ? (size_t)left : SOURCE_BLOCK;
}

/* Writes the next frames of a channel to `mono`: silence for lost ones; mixed, if channels are not
 * told apart or the block has others. */
static void load_channel(struct hearken_source *source, uint32_t channel, size_t frames)
{
    struct decoder_block *block = &source->block;
    const uint8_t *at =
        (const uint8_t *)block->samples + source->taken * hearken_audio_frame_size(&block->format);
    if (block->lost > 0)
        memset(source->mono, 0, frames * sizeof(*source->mono));
    else if (source->channels > 1 && source->channels == block->format.channels)
        pcm_take_channel(&block->format, at, channel, frames, source->mono);
    else if (channel == 0)
        mixer_mix(&source->mixer, at, frames, source->mono);
    else
        return; /* what was mixed is still there */
    for (size_t i = 0; block->lost == 0 && source->gain != 1.0f && i < frames; i++)
        source->mono[i] *= source->gain;
}

static void pass_frames(struct hearken_source *source, size_t frames)
{
    if (source->block.lost > 0)
        source->block.lost -= frames;
    else
        source->taken += frames;
    source->seconds += (double)frames / source->rate;
}

/* Refills the empty `ready` with the next samples; where the rate changes, and at the end, with
 * those that the resampler holds. */
static int refill(struct hearken_source *source)
{
    source->ready_at = source->ready_end = 0;
    bool used = source->peeked || source->taken == source->block.frames;
    int result = used ? read_block(source) : 0;
    if (result < 0)
        return result;
    if (source->block.frames == 0) {
        source->ended = true;
        collect_warnings(source);
        return flush(source);
    }
    if ((result = use_format(source)) < 0 || source->ready_end > 0)
        return result;
    size_t frames = next_frames(source);
    result = reserve_ready(source, resampler_room(source->resamplers[0], frames));
    for (uint32_t i = 0; i < source->channels && result == 0; i++) {
        load_channel(source, i, frames);
        long count =
            resampler_process(source->resamplers[i], source->mono, frames, resampled_at(source));
        if (count < 0)
            return decoder_fail_memory(&source->input, &source->message);
        put_ready(source, i, (size_t)count);
    }
    pass_frames(source, frames);
    return result;
}

uint32_t hearken_source_channels(struct hearken_source *source)
{
    if (!source->begun && !source->peeked) {
        source->failure = read_block(source);
        source->peeked = true;
    }
    return source->first.rate > 0 ? source->first.channels : 0;
}

int hearken_source_separate(struct hearken_source *source, uint32_t channels,
                            struct hearken_error *error)
{
    if (channels < 2 || channels > HEARKEN_CHANNELS_MAX || source->begun)
        return hearken_fail(error, -EINVAL,
                            "%u channels to tell apart: expected 2 to %u, before the first read",
                            (unsigned)channels, HEARKEN_CHANNELS_MAX);
    struct resampler **resamplers = calloc(channels, sizeof(struct resampler *));
    if (!resamplers)
        return decoder_fail_memory(&source->input, error);
    free(source->resamplers);
    source->resamplers = resamplers;
    source->channels = channels;
    return 0;
}

long hearken_source_read(struct hearken_source *source, float *samples, size_t count,
                         struct hearken_error *error)
{
    source->begun = true;
    while (source->ready_at == source->ready_end && !source->ended) {
        int result = refill(source);
        if (result < 0) {
            source->failure = result;
            source->ended = true;
        }
    }
    size_t there = source->ready_end - source->ready_at;
    if (there == 0 && source->failure)
        return hearken_fail(error, source->failure, "%s", source->message.message);
    if (count > there)
        count = there;
    if (count > 0)
        memcpy(samples, source->ready + source->ready_at * source->channels,
               count * source->channels * sizeof(*samples));
    source->ready_at += count;
    return (long)count;
}
