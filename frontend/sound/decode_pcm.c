// SPDX-License-Identifier: MIT
/*
 * Linear PCM, headerless or in a WAV file. It streams through a pipe. The length in a header is
 * checked against the bytes that follow, since many headers are wrong.
 */
#include "frontend/sound/decoder.h"
#include "frontend/sound/wav.h"
#include "include/internal/little_endian.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u /* frames that are read at a time */

/* Some writers count the header in the data size, so up to this many missing bytes are no damage.
 */
#define HEADER_SLACK 128u

/* Fewer bytes after the stated end are junk; more that are not a chunk are samples. */
#define SOUND_BEHIND 4096u

struct pcm {
    struct decoder base;
    struct hearken_audio_format format;
    bool wav;
    uint64_t left;  /* bytes that are still to come as the header has it; UINT64_MAX: all */
    bool odd;       /* the stated size is odd, so a padding byte may follow */
    uint8_t *bytes; /* [BLOCK] frames */
    size_t held;    /* bytes in it */
    size_t taken;   /* of these, returned as whole frames by the last read */
};

/* Of the whole frames in so many bytes. */
static double seconds_of(uint64_t size, const struct hearken_audio_format *format)
{
    uint64_t frames = size / hearken_audio_frame_size(format);
    return (double)frames / format->rate;
}

static void destroy(struct decoder *decoder)
{
    struct pcm *pcm = (struct pcm *)decoder;
    free(pcm->bytes);
    free(pcm);
}

static int use_format(struct pcm *pcm, const struct hearken_audio_format *format,
                      struct hearken_error *error)
{
    int result = decoder_check_format(pcm->base.input, format, error);
    if (result < 0)
        return result;
    uint8_t *bytes = malloc(BLOCK * hearken_audio_frame_size(format));
    if (!bytes)
        return decoder_fail_memory(pcm->base.input, error);
    static const char *const codecs[] = {
        [HEARKEN_SAMPLE_U8] = "pcm_u8",     [HEARKEN_SAMPLE_S16] = "pcm_s16le",
        [HEARKEN_SAMPLE_S24] = "pcm_s24le", [HEARKEN_SAMPLE_S32] = "pcm_s32le",
        [HEARKEN_SAMPLE_F32] = "pcm_f32le",
    };
    pcm->base.codec = codecs[format->type];
    free(pcm->bytes);
    pcm->bytes = bytes;
    pcm->held = pcm->taken = 0;
    pcm->format = *format;
    pcm->base.floats = format->type == HEARKEN_SAMPLE_F32;
    return 0;
}

/* The true size of the data. The header's size has 32 bits and wraps around in longer files; only
 * the file's size shows how often. */
static uint64_t true_size(const struct wav_layout *layout, bool regular, uint64_t rest)
{
    if (!regular)
        return layout->data_size_credible ? layout->data_size : UINT64_MAX;
    if (layout->data_size == 0 || (layout->data_size > rest && !layout->data_size_credible))
        return UINT64_MAX;
    if (layout->data_size > rest)
        return layout->data_size;
    return layout->data_size + ((rest - layout->data_size) >> 32 << 32);
}

/* The input is at the start of the header. */
static int use_layout(struct pcm *pcm, const struct wav_layout *layout, struct hearken_error *error)
{
    struct input *input = pcm->base.input;
    int result = use_format(pcm, &layout->format, error);
    if (result < 0)
        return result;
    input_skip(input, layout->data_at);
    uint64_t at = input_tell(input), rest = input->size > at ? input->size - at : 0;
    pcm->left = true_size(layout, input->regular, rest);
    pcm->odd = pcm->left % 2 == 1;
    uint64_t size = input->regular && pcm->left > rest ? rest : pcm->left;
    if (size != UINT64_MAX && pcm->base.duration < 0)
        pcm->base.duration = seconds_of(size, &pcm->format);
    return 0;
}

/* ---- After the stated end ---- */

static uint64_t chunk_size(const uint8_t *bytes)
{
    return load_u32(bytes + 4);
}

static bool is_chunk(const uint8_t *bytes, uint64_t rest)
{
    for (int i = 0; i < 4; i++)
        if (bytes[i] < ' ' || bytes[i] > '~')
            return false;
    return chunk_size(bytes) <= rest;
}

static int skip_chunk(struct input *input, uint64_t size, struct hearken_error *error)
{
    uint64_t left = 8 + size + size % 2;
    uint8_t nowhere[4096];
    while (left > 0) {
        long count =
            input_read(input, nowhere, left < sizeof(nowhere) ? left : sizeof(nowhere), error);
        if (count <= 0)
            return (int)count;
        left -= (uint64_t)count;
    }
    return 0;
}

/* Reads ahead until the head holds `size` bytes or the input ends. */
static int look_at(struct input *input, size_t size, struct hearken_error *error)
{
    for (;;) {
        size_t held;
        input_head(input, &held);
        if (held >= size)
            return 0;
        long count = input_look(input, error);
        if (count <= 0)
            return (int)count;
    }
}

/* A concatenated WAV file. */
static int use_next_file(struct pcm *pcm, struct hearken_error *error)
{
    struct wav_layout layout;
    for (;;) {
        size_t size;
        const uint8_t *head = input_head(pcm->base.input, &size);
        enum wav_result result = wav_parse(head, size, &layout);
        if (result == WAV_PCM)
            return use_layout(pcm, &layout, error);
        long count = result == WAV_MORE ? input_look(pcm->base.input, error) : 0;
        if (count <= 0)
            return count < 0 ? (int)count : -EINVAL;
    }
}

/* Looks for more samples after the stated end. `left` stays 0 if there are none. */
static int look_behind(struct pcm *pcm, const char **damage, struct hearken_error *error)
{
    struct input *input = pcm->base.input;
    struct wav_layout layout;
    while (pcm->left == 0) {
        int result = look_at(input, SOUND_BEHIND, error);
        size_t size;
        const uint8_t *head = input_head(input, &size);
        if (result < 0 || size == 0)
            return result;
        uint64_t at = input_tell(input) + 8;
        uint64_t rest = !input->regular ? UINT64_MAX : input->size > at ? input->size - at : 0;
        if (pcm->odd && head[0] == 0) {
            input_skip(input, 1);
            pcm->odd = false;
        } else if (size >= 12 && wav_parse(head, size, &layout) != WAV_OTHER) {
            result = use_next_file(pcm, error);
            if (result == -EINVAL)
                *damage = "another recording behind it cannot be read";
            if (result < 0)
                return result == -EINVAL ? 0 : result;
        } else if (size >= 8 && is_chunk(head, rest)) {
            if ((result = skip_chunk(input, chunk_size(head), error)) < 0)
                return result;
        } else {
            pcm->left = size >= SOUND_BEHIND ? UINT64_MAX : 0;
            return 0;
        }
    }
    return 0;
}

/* ---- Reading ---- */

static bool is_short(const struct pcm *pcm)
{
    return pcm->left != UINT64_MAX && pcm->left > HEADER_SLACK;
}

/* Reads once, so that samples from a pipe are returned without delay. An incomplete last frame is
 * dropped. */
static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    struct pcm *pcm = (struct pcm *)decoder;
    *block = (struct decoder_block){0};
    pcm->held -= pcm->taken;
    memmove(pcm->bytes, pcm->bytes + pcm->taken, pcm->held);
    pcm->taken = 0;
    while (block->frames == 0) {
        if (pcm->left == 0 && pcm->wav) {
            int result = look_behind(pcm, &block->damage, error);
            if (result < 0)
                return result;
        }
        size_t frame = hearken_audio_frame_size(&pcm->format);
        size_t room = BLOCK * frame - pcm->held;
        size_t size = room < pcm->left ? room : (size_t)pcm->left;
        long count = size > 0 ? input_read(decoder->input, pcm->bytes + pcm->held, size, error) : 0;
        if (count < 0)
            return (int)count;
        if (count == 0)
            break;
        if (pcm->left != UINT64_MAX)
            pcm->left -= (uint64_t)count;
        pcm->held += (size_t)count;
        block->frames = pcm->held / frame;
        pcm->taken = block->frames * frame;
    }
    block->format = pcm->format;
    block->samples = pcm->bytes;
    if (block->frames == 0 && is_short(pcm)) {
        block->damage = "its header states more";
        block->short_end = true;
    }
    return 0;
}

static const struct decoder_class class = {.read = read_block, .destroy = destroy};

static struct pcm *create(struct input *input)
{
    struct pcm *pcm = calloc(1, sizeof(*pcm));
    if (pcm)
        pcm->base = (struct decoder){.class = &class, .input = input, .duration = -1};
    return pcm;
}

int decoder_open_wav(struct input *input, const struct wav_layout *layout, struct decoder **decoder,
                     struct hearken_error *error)
{
    struct pcm *pcm = create(input);
    if (!pcm)
        return decoder_fail_memory(input, error);
    pcm->wav = true;
    pcm->base.container = "WAV";
    int result = use_layout(pcm, layout, error);
    if (result < 0)
        destroy(&pcm->base);
    else
        *decoder = &pcm->base;
    return result;
}

int decoder_open_raw(struct input *input, const struct hearken_audio_format *format,
                     struct decoder **decoder, struct hearken_error *error)
{
    struct pcm *pcm = create(input);
    if (!pcm)
        return decoder_fail_memory(input, error);
    pcm->left = UINT64_MAX;
    if (input->regular)
        pcm->base.duration = seconds_of(input->size, format);
    int result = use_format(pcm, format, error);
    if (result < 0)
        destroy(&pcm->base);
    else
        *decoder = &pcm->base;
    return result;
}
