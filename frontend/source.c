// SPDX-License-Identifier: MIT
/*
 * A recording as mono float at HEARKEN_RATE.
 *
 * Linear PCM, headerless or in a WAV file, is read here: it streams through a pipe, and its header
 * need not be right. All else is libsndfile's, which must be able to seek, so that a pipe goes to
 * a temporary file first.
 */
#include "format.h"
#include "input.h"
#include "resample.h"
#include "sniff.h"
#include "wav.h"

#include <errno.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

/* Frames that are read at once: a quarter of a second at 16 kHz. */
#define SOURCE_BLOCK 4096u

/* Bytes that tell what a file is; the rest of a WAV header is read as it is needed. */
#define SOURCE_HEAD 4096u

struct hearken_source {
    struct input input;
    struct hearken_audio_format format; /* of `bytes`; F32 of this machine with libsndfile */
    double duration;                    /* seconds, negative: not known */

    SNDFILE *file;     /* NULL: linear PCM, read from `input` */
    SF_INFO info;      /* with `file` */
    sf_count_t frames; /* read of it */
    uint8_t *head;     /* with PCM: read from `input` but not yet used */
    size_t head_at, head_size;
    uint64_t bytes_left; /* PCM that is still to come; UINT64_MAX: until the end */
    size_t partial;      /* bytes of a frame that is not whole, at the start of `bytes` */

    uint8_t *bytes; /* [SOURCE_BLOCK] frames of `format` */
    float *mono;    /* [SOURCE_BLOCK] */
    struct resampler *resampler;
    float *ready; /* [ready_room]: at HEARKEN_RATE, from ready_at to ready_end not yet taken */
    size_t ready_room, ready_at, ready_end;
    bool ended;
    int failure; /* 0, or what the next read returns, with `message` */
    struct hearken_error message;
};

/* ---- Open ---- */

static int fail_memory(const struct hearken_source *source, struct hearken_error *error)
{
    return hearken_fail(error, -ENOMEM, "%s: %s", source->input.name, strerror(ENOMEM));
}

/* With the format known: what it takes to read. */
static int prepare(struct hearken_source *source, struct hearken_error *error)
{
    struct hearken_error wrong;
    if (audio_format_check(&source->format, &wrong) < 0)
        return hearken_fail(error, -EINVAL, "%s: has %s", source->input.name, wrong.message);
    source->bytes = malloc(SOURCE_BLOCK * hearken_audio_frame_size(&source->format));
    source->mono = malloc(SOURCE_BLOCK * sizeof(*source->mono));
    if (!source->bytes || !source->mono ||
        resampler_create(source->format.rate, &source->resampler) < 0)
        return fail_memory(source, error);
    return 0;
}

static double seconds_of(const struct hearken_source *source, uint64_t bytes)
{
    size_t frame = hearken_audio_frame_size(&source->format);
    return frame == 0 ? -1 : (double)(bytes / frame) / source->format.rate;
}

static int open_raw(struct hearken_source *source, const struct hearken_audio_format *raw,
                    struct hearken_error *error)
{
    source->format = *raw;
    source->bytes_left = UINT64_MAX;
    if (source->input.regular)
        source->duration = seconds_of(source, source->input.size);
    return prepare(source, error);
}

/* Appends to the head what is there; returns how much that is, 0 at the end, or a negative
 * errno. */
static long read_head(struct hearken_source *source, struct hearken_error *error)
{
    uint8_t *grown = realloc(source->head, source->head_size + SOURCE_HEAD);
    if (!grown)
        return fail_memory(source, error);
    source->head = grown;
    long count = input_read(&source->input, grown + source->head_size, SOURCE_HEAD, error);
    if (count > 0)
        source->head_size += (size_t)count;
    return count;
}

static int open_wav(struct hearken_source *source, const struct wav_layout *layout,
                    struct hearken_error *error)
{
    source->format = layout->format;
    source->head_at = layout->data_at;
    source->bytes_left = layout->data_size_credible ? layout->data_size : UINT64_MAX;
    if (source->input.regular) {
        /* A file is the judge of what its header says, be it too much or nothing. */
        uint64_t rest =
            source->input.size > layout->data_at ? source->input.size - layout->data_at : 0;
        bool holds = layout->data_size != 0 && layout->data_size <= rest;
        source->bytes_left = holds ? layout->data_size : rest;
    }
    if (source->bytes_left != UINT64_MAX)
        source->duration = seconds_of(source, source->bytes_left);
    return prepare(source, error);
}

/* libsndfile's reason without "Error : " before and the full stop behind; returns its length. */
static int tidy(const char **reason)
{
    static const char prefix[] = "Error : ";
    if (strncmp(*reason, prefix, sizeof(prefix) - 1) == 0)
        *reason += sizeof(prefix) - 1;
    size_t length = strlen(*reason);
    return (int)(length > 0 && (*reason)[length - 1] == '.' ? length - 1 : length);
}

static int fail_unreadable(const struct hearken_source *source, const char *reason,
                           struct hearken_error *error)
{
    const char *known = sniff(source->head, source->head_size);
    if (known)
        return hearken_fail(error, -EINVAL,
                            "%s: is %s: expected WAV, FLAC, Ogg, Opus, MP3, AIFF or AU, or raw PCM "
                            "with its format given",
                            source->input.name, known);
    int length = tidy(&reason);
    return hearken_fail(error, -EINVAL,
                        "%s: cannot be read as audio (%.*s): expected WAV, FLAC, Ogg, Opus, MP3, "
                        "AIFF or AU, or raw PCM with its format given",
                        source->input.name, length, reason);
}

/* libsndfile leaves frames at SF_COUNT_MAX if the file does not say. */
static bool frames_known(const SF_INFO *info)
{
    return info->frames >= 0 && info->frames < SF_COUNT_MAX;
}

static int open_sndfile(struct hearken_source *source, struct hearken_error *error)
{
    int result = source->input.regular
                     ? input_rewind(&source->input, error)
                     : input_spool(&source->input, source->head, source->head_size, error);
    if (result < 0)
        return result;
    source->file = sf_open_fd(source->input.fd, SFM_READ, &source->info, SF_FALSE);
    if (!source->file)
        return fail_unreadable(source, sf_strerror(NULL), error);
    source->format.rate = source->info.samplerate < 0 ? 0 : (uint32_t)source->info.samplerate;
    source->format.channels = source->info.channels < 0 ? 0 : (uint32_t)source->info.channels;
    source->format.type = HEARKEN_SAMPLE_F32;
    if (frames_known(&source->info) && source->format.rate > 0)
        source->duration = (double)source->info.frames / source->format.rate;
    return prepare(source, error);
}

static int open_container(struct hearken_source *source, struct hearken_error *error)
{
    struct wav_layout layout;
    enum wav_result result = WAV_MORE;
    while (result == WAV_MORE) {
        long count = read_head(source, error);
        if (count < 0)
            return (int)count;
        if (count == 0)
            break;
        result = wav_parse(source->head, source->head_size, &layout);
    }
    if (source->head_size == 0)
        return hearken_fail(error, -EINVAL, "%s: is empty: expected audio", source->input.name);
    return result == WAV_PCM ? open_wav(source, &layout, error) : open_sndfile(source, error);
}

int hearken_source_open(const char *path, const struct hearken_audio_format *raw,
                        struct hearken_source **source, struct hearken_error *error)
{
    struct hearken_error wrong;
    if (raw && audio_format_check(raw, &wrong) < 0)
        return hearken_fail(error, -EINVAL, "raw PCM with %s", wrong.message);
    struct hearken_source *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return hearken_fail(error, -ENOMEM, "%s: %s", path, strerror(ENOMEM));
    opened->duration = -1;
    int result = input_open(&opened->input, path, error);
    if (result < 0)
        goto fail;
    result = raw ? open_raw(opened, raw, error) : open_container(opened, error);
    if (result < 0)
        goto fail;
    *source = opened;
    return 0;

fail:
    hearken_source_destroy(opened);
    return result;
}

void hearken_source_destroy(struct hearken_source *source)
{
    if (!source)
        return;
    if (source->file)
        sf_close(source->file);
    input_close(&source->input);
    resampler_destroy(source->resampler);
    free(source->ready);
    free(source->mono);
    free(source->bytes);
    free(source->head);
    free(source);
}

double hearken_source_duration(const struct hearken_source *source)
{
    return source->duration;
}

/* ---- Read ---- */

/* Up to `size` bytes of PCM: first what the header's search has read too much. */
static long read_bytes(struct hearken_source *source, uint8_t *bytes, size_t size)
{
    if (size > source->bytes_left)
        size = (size_t)source->bytes_left;
    if (size == 0)
        return 0;
    size_t held = source->head_size - source->head_at;
    long count;
    if (held > 0) {
        count = (long)(held < size ? held : size);
        memcpy(bytes, source->head + source->head_at, (size_t)count);
        source->head_at += (size_t)count;
    } else {
        count = input_read(&source->input, bytes, size, &source->message);
    }
    if (count > 0 && source->bytes_left != UINT64_MAX)
        source->bytes_left -= (uint64_t)count;
    return count;
}

/* One read, so that what comes through a pipe is passed on at once. Returns frames in `mono`, 0 at
 * the end, or a negative errno. A last frame that is not whole is dropped. */
static long read_pcm(struct hearken_source *source)
{
    size_t frame = hearken_audio_frame_size(&source->format);
    size_t frames = 0;
    while (frames == 0) {
        long count = read_bytes(source, source->bytes + source->partial,
                                SOURCE_BLOCK * frame - source->partial);
        if (count <= 0)
            return count;
        source->partial += (size_t)count;
        frames = source->partial / frame;
    }
    audio_to_mono(&source->format, source->bytes, frames, source->mono);
    source->partial -= frames * frame;
    memmove(source->bytes, source->bytes + frames * frame, source->partial);
    return (long)frames;
}

/* A FLAC file states its length for certain, or not at all; other formats only guess. */
static bool is_cut_short(const struct hearken_source *source)
{
    return (source->info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC &&
           frames_known(&source->info) && source->frames < source->info.frames;
}

static int fail_damaged(struct hearken_source *source, const char *reason)
{
    int length = tidy(&reason);
    return hearken_fail(&source->message, -EIO, "%s: is damaged after %.2f seconds (%.*s)",
                        source->input.name, (double)source->frames / source->format.rate, length,
                        reason);
}

/* Like read_pcm. Where libsndfile reports damage, what it has read in the same breath counts. */
static long read_sndfile(struct hearken_source *source)
{
    float *samples = (float *)(void *)source->bytes;
    sf_count_t frames = sf_readf_float(source->file, samples, SOURCE_BLOCK);
    int code = sf_error(source->file);
    if (frames > 0) {
        audio_mix(samples, (size_t)frames, source->format.channels, source->mono);
        source->frames += frames;
    }
    if (code != SF_ERR_NO_ERROR)
        source->failure = fail_damaged(source, sf_error_number(code));
    else if (frames <= 0 && is_cut_short(source))
        source->failure = fail_damaged(source, "it ends too early");
    return frames > 0 ? (long)frames : 0;
}

static int reserve_ready(struct hearken_source *source, size_t room)
{
    if (room <= source->ready_room)
        return 0;
    float *grown = realloc(source->ready, room * sizeof(*grown));
    if (!grown)
        return fail_memory(source, &source->message);
    source->ready = grown;
    source->ready_room = room;
    return 0;
}

/* Fills `ready`, which has been taken, with the next block; with what the resampler still holds
 * at the end. Returns a negative errno if there is nothing more for want of memory. */
static int refill(struct hearken_source *source)
{
    long frames = source->failure ? 0 : source->file ? read_sndfile(source) : read_pcm(source);
    if (frames < 0) {
        source->failure = (int)frames;
        frames = 0;
    }
    source->ended = frames == 0;
    int result = reserve_ready(source, resampler_room(source->resampler, (size_t)frames));
    if (result < 0)
        return result;
    long count = source->ended ? resampler_flush(source->resampler, source->ready)
                               : resampler_process(source->resampler, source->mono, (size_t)frames,
                                                   source->ready);
    if (count < 0)
        return fail_memory(source, &source->message);
    source->ready_at = 0;
    source->ready_end = (size_t)count;
    return 0;
}

long hearken_source_read(struct hearken_source *source, float *samples, size_t count,
                         struct hearken_error *error)
{
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
        memcpy(samples, source->ready + source->ready_at, count * sizeof(*samples));
    source->ready_at += count;
    return (long)count;
}
