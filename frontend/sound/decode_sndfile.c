// SPDX-License-Identifier: MIT
/* The formats that libsndfile reads and that have no decoder of their own: AIFF, AU, CAF, W64, WAV
 * with codecs other than linear PCM, and more. */
#include "frontend/sound/decoder.h"
#include "frontend/sound/stated_size.h"

#include <errno.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u

struct sound_file {
    struct decoder base;
    struct hearken_audio_format format;
    SNDFILE *file;
    float *samples;   /* [BLOCK, channels] */
    char reason[128]; /* of damage */
    bool is_cut_off;
};

static sf_count_t input_length(void *user)
{
    const struct decoder *decoder = user;
    return (sf_count_t)(decoder->input->size - decoder->start);
}

static sf_count_t input_position(void *user)
{
    return decoder_input_tell(user);
}

static sf_count_t seek_input(sf_count_t offset, int whence, void *user)
{
    return decoder_input_seek(user, offset, whence);
}

static sf_count_t read_input(void *bytes, sf_count_t count, void *user)
{
    return (sf_count_t)decoder_input_read(user, bytes, (size_t)count);
}

static sf_count_t write_nothing(const void *bytes, sf_count_t count, void *user)
{
    (void)bytes, (void)count, (void)user;
    return 0;
}

/* Strips "Error : " and the full stop from libsndfile's message; returns its length. */
static int tidy(const char **reason)
{
    static const char prefix[] = "Error : ";
    if (strncmp(*reason, prefix, sizeof(prefix) - 1) == 0)
        *reason += sizeof(prefix) - 1;
    size_t length = strlen(*reason);
    return (int)(length > 0 && (*reason)[length - 1] == '.' ? length - 1 : length);
}

static void destroy(struct decoder *decoder)
{
    struct sound_file *s = (struct sound_file *)decoder;
    if (s->file)
        sf_close(s->file);
    free(s->samples);
    free(s);
}

/* Samples read by the call that reports damage are valid; libsndfile cannot resume after it. */
static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    (void)error;
    struct sound_file *s = (struct sound_file *)decoder;
    sf_count_t frames = s->reason[0] ? 0 : sf_readf_float(s->file, s->samples, BLOCK);
    int code = sf_error(s->file);
    *block = (struct decoder_block){
        .format = s->format,
        .samples = s->samples,
        .frames = frames > 0 ? (size_t)frames : 0,
    };
    if (code != SF_ERR_NO_ERROR && !s->reason[0]) {
        const char *reason = sf_error_number(code);
        int length = tidy(&reason);
        snprintf(s->reason, sizeof(s->reason), "%.*s", length, reason);
    }
    if (block->frames == 0 && s->is_cut_off && !s->reason[0])
        snprintf(s->reason, sizeof(s->reason), "its header states more");
    if (block->frames == 0 && s->reason[0]) {
        block->damage = s->reason;
        block->short_end = true;
    }
    return 0;
}

static const struct decoder_class class = {.read = read_block, .destroy = destroy};

static bool is_float(const SF_INFO *info)
{
    int type = info->format & SF_FORMAT_SUBMASK;
    return type == SF_FORMAT_FLOAT || type == SF_FORMAT_DOUBLE;
}

/* libsndfile's name of a container or a codec, or NULL. */
static const char *name_of(int format)
{
    SF_FORMAT_INFO info = {.format = format};
    return sf_command(NULL, SFC_GET_FORMAT_INFO, &info, sizeof(info)) == 0 ? info.name : NULL;
}

static int open_file(struct sound_file *s, struct hearken_error *error)
{
    static const SF_VIRTUAL_IO io = {input_length, seek_input, read_input, write_nothing,
                                     input_position};
    SF_INFO info = {0};
    s->file = sf_open_virtual((SF_VIRTUAL_IO *)&io, SFM_READ, &info, s);
    if (!s->file) {
        const char *reason = sf_strerror(NULL);
        int length = tidy(&reason);
        return hearken_fail(error, -EINVAL, "%.*s", length, reason);
    }
    s->format.rate = info.samplerate < 0 ? 0 : (uint32_t)info.samplerate;
    s->format.channels = info.channels < 0 ? 0 : (uint32_t)info.channels;
    s->format.type = HEARKEN_SAMPLE_F32;
    s->base.floats = is_float(&info);
    s->base.container = name_of(info.format & SF_FORMAT_TYPEMASK);
    s->base.codec = name_of(info.format & SF_FORMAT_SUBMASK);
    int result = decoder_check_format(s->base.input, &s->format, error);
    if (result < 0)
        return result == -EINVAL ? -EDOM : result;
    if (info.frames >= 0 && info.frames < SF_COUNT_MAX)
        s->base.duration = (double)info.frames / s->format.rate;
    s->samples = malloc(BLOCK * s->format.channels * sizeof(*s->samples));
    return s->samples ? 0 : decoder_fail_memory(s->base.input, error);
}

/* As decoder_open, but with -EINVAL the message is libsndfile's own, without the input's name, and
 * -EDOM means a format out of range. */
int decoder_open_sndfile(struct input *input, struct decoder **decoder, struct hearken_error *error)
{
    struct sound_file *s = calloc(1, sizeof(*s));
    if (!s)
        return decoder_fail_memory(input, error);
    s->base = (struct decoder){
        .class = &class, .input = input, .start = input_tell(input), .duration = -1};
    s->is_cut_off = stated_size_is_missed(&s->base); /* libsndfile makes do with what there is */
    int result = input_seek(input, s->base.start, error);
    if (result == 0)
        result = open_file(s, error);
    if (result < 0)
        destroy(&s->base);
    else
        *decoder = &s->base;
    return result;
}
