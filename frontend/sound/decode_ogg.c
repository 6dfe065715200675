// SPDX-License-Identifier: MIT
/*
 * Vorbis and Opus in Ogg, with libvorbisfile and opusfile, which resume after holes. decode_flac.c
 * decodes FLAC in Ogg.
 *
 * The links of a chain are found here and opened one by one: both libraries expect the links to
 * have different serial numbers, which concatenated files do not always have.
 */
#include "frontend/sound/decoder.h"

#include <errno.h>
#include <ogg/ogg.h>
#include <opus/opusfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OV_EXCLUDE_STATIC_CALLBACKS
#include <vorbis/vorbisfile.h>

#define BLOCK 4096u

/* Opus is always decoded at this rate. */
#define OPUS_RATE 48000u

/* Consecutive errors after which decoding stops. */
#define ERRORS_LIMIT 1000

/* The largest Opus packet: 120 ms of eight channels. */
#define OPUS_SAMPLES (5760 * 8)

#define BUFFER_BYTES 65536

/* Bytes in which the codec is detected. */
#define HEAD_BYTES 4096u

struct ogg {
    struct decoder base;
    struct hearken_audio_format format;
    OggVorbis_File vorbis;
    bool vorbis_open;
    OggOpusFile *opus;
    bool cut;          /* the link ends within a page */
    bool broken_chain; /* a link could not be opened */
    int64_t next;      /* the link's next frame by the library's count */
    int64_t position;  /* the same after the last block; -1: no block yet */
    float *samples;    /* [BLOCK, channels] */
    size_t room;
};

/* ---- The input for both ---- */

static size_t read_input(void *bytes, size_t size, size_t count, void *user)
{
    return size == 0 ? 0 : decoder_input_read(user, bytes, size * count) / size;
}

static int read_opus_input(void *user, unsigned char *bytes, int size)
{
    return (int)decoder_input_read(user, bytes, (size_t)size);
}

static int seek_input(void *user, ogg_int64_t offset, int whence)
{
    return decoder_input_seek(user, offset, whence) < 0 ? -1 : 0;
}

static int seek_opus_input(void *user, opus_int64 offset, int whence)
{
    return decoder_input_seek(user, offset, whence) < 0 ? -1 : 0;
}

static long tell_input(void *user)
{
    return (long)decoder_input_tell(user);
}

static opus_int64 tell_opus_input(void *user)
{
    return decoder_input_tell(user);
}

static void close_link(struct ogg *ogg)
{
    if (ogg->vorbis_open)
        ov_clear(&ogg->vorbis);
    op_free(ogg->opus);
    ogg->vorbis_open = false;
    ogg->opus = NULL;
}

static void destroy(struct decoder *decoder)
{
    struct ogg *ogg = (struct ogg *)decoder;
    close_link(ogg);
    free(ogg->samples);
    free(ogg);
}

/* ---- Links ---- */

/* Finds the end of the link at `start`: the first page that begins a stream after pages that do
 * not, or the input's end. `cut`: the input ends within a page. */
static int find_link_end(struct ogg *ogg, bool *cut)
{
    ogg_sync_state sync;
    ogg_sync_init(&sync);
    ogg->base.end = 0;
    int64_t at = decoder_input_seek(&ogg->base, 0, SEEK_SET), end = -1;
    bool begun = false;
    while (end < 0 && at >= 0) {
        ogg_page page;
        long got = ogg_sync_pageseek(&sync, &page);
        if (got > 0 && ogg_page_bos(&page) && begun)
            end = at;
        if (got > 0 && !ogg_page_bos(&page))
            begun = true;
        at += labs(got);
        if (got != 0)
            continue;
        char *bytes = ogg_sync_buffer(&sync, BUFFER_BYTES);
        size_t size = bytes ? decoder_input_read(&ogg->base, bytes, BUFFER_BYTES) : 0;
        ogg_sync_wrote(&sync, (long)size);
        if (size == 0)
            break;
    }
    long left = sync.fill - sync.returned;
    *cut = end < 0 && left > 0 &&
           memcmp(sync.data + sync.returned, "OggS", left < 4 ? (size_t)left : 4) == 0;
    ogg_sync_clear(&sync);
    ogg->base.end = end < 0 ? ogg->base.input->size : ogg->base.start + (uint64_t)end;
    return decoder_input_seek(&ogg->base, 0, SEEK_SET) < 0 ? -EIO : 0;
}

/* A damaged link whose end cannot be found is opened as not seekable. */
static int open_vorbis(struct ogg *ogg)
{
    static const ov_callbacks seekable = {read_input, seek_input, NULL, tell_input};
    static const ov_callbacks straight = {read_input, NULL, NULL, NULL};
    int result = ov_open_callbacks(ogg, &ogg->vorbis, NULL, 0, seekable);
    if (result < 0) {
        decoder_input_seek(&ogg->base, 0, SEEK_SET);
        result = ov_open_callbacks(ogg, &ogg->vorbis, NULL, 0, straight);
    }
    if (result < 0)
        return result == OV_EFAULT ? -ENOMEM : -EINVAL;
    ogg->vorbis_open = true;
    return 0;
}

static int open_opus(struct ogg *ogg)
{
    static const OpusFileCallbacks seekable = {read_opus_input, seek_opus_input, tell_opus_input,
                                               NULL};
    static const OpusFileCallbacks straight = {read_opus_input, NULL, NULL, NULL};
    int reason = 0;
    ogg->opus = op_open_callbacks(ogg, &seekable, NULL, 0, &reason);
    if (!ogg->opus) {
        decoder_input_seek(&ogg->base, 0, SEEK_SET);
        ogg->opus = op_open_callbacks(ogg, &straight, NULL, 0, &reason);
    }
    if (!ogg->opus)
        return reason == OP_EFAULT ? -ENOMEM : -EINVAL;
    return 0;
}

/* Opens the link at `start` as Vorbis or Opus. */
static int open_link(struct ogg *ogg)
{
    uint8_t head[HEAD_BYTES];
    int result = find_link_end(ogg, &ogg->cut);
    if (result < 0)
        return result;
    size_t size = decoder_input_read(&ogg->base, head, sizeof(head));
    bool is_opus = memmem(head, size, "OpusHead", 8) && !memmem(head, size, "\001vorbis", 7);
    if (decoder_input_seek(&ogg->base, 0, SEEK_SET) < 0)
        return -EIO;
    ogg->position = -1;
    return is_opus ? open_opus(ogg) : open_vorbis(ogg);
}

/* Opens the next link; false if there is none that can be read. */
static int open_next_link(struct ogg *ogg, bool *opened)
{
    *opened = false;
    while (!*opened && ogg->base.end < ogg->base.input->size) {
        close_link(ogg);
        ogg->base.start = ogg->base.end;
        int result = open_link(ogg);
        if (result == -ENOMEM)
            return result;
        *opened = result == 0;
        ogg->broken_chain = ogg->broken_chain || result < 0;
    }
    return 0;
}

/* ---- Reading ---- */

static int reserve_samples(struct ogg *ogg, size_t count)
{
    if (count <= ogg->room)
        return 0;
    float *grown = realloc(ogg->samples, count * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    ogg->samples = grown;
    ogg->room = count;
    return 0;
}

/* Decodes the frames of one packet; 0 at the end of the link. */
static long read_vorbis(struct ogg *ogg)
{
    float **channels;
    int link;
    long frames = ov_read_float(&ogg->vorbis, &channels, BLOCK, &link);
    if (frames <= 0)
        return frames;
    const vorbis_info *info = ov_info(&ogg->vorbis, -1);
    ogg->format = (struct hearken_audio_format){(uint32_t)info->rate, (uint32_t)info->channels,
                                                HEARKEN_SAMPLE_F32};
    if (reserve_samples(ogg, (size_t)frames * ogg->format.channels) < 0)
        return -ENOMEM;
    for (long i = 0; i < frames; i++)
        for (int c = 0; c < info->channels; c++)
            ogg->samples[i * info->channels + c] = channels[c][i];
    ogg->next = ov_pcm_tell(&ogg->vorbis);
    return frames;
}

static long read_opus(struct ogg *ogg)
{
    if (reserve_samples(ogg, OPUS_SAMPLES) < 0)
        return -ENOMEM;
    int frames = op_read_float(ogg->opus, ogg->samples, OPUS_SAMPLES, NULL);
    if (frames <= 0)
        return frames;
    ogg->format = (struct hearken_audio_format){
        OPUS_RATE, (uint32_t)op_channel_count(ogg->opus, -1), HEARKEN_SAMPLE_F32};
    ogg->next = op_pcm_tell(ogg->opus);
    return frames;
}

/* Derives the frames lost in a hole from the library's position. */
static void note_place(struct ogg *ogg, struct decoder_block *block)
{
    int64_t from = ogg->next - (int64_t)block->frames;
    if (block->damage && ogg->position >= 0 && from > ogg->position)
        block->lost = (uint64_t)(from - ogg->position);
    ogg->position = ogg->next;
    block->format = ogg->format;
    block->samples = ogg->samples;
}

static void note_end(const struct ogg *ogg, struct decoder_block *block)
{
    if (ogg->broken_chain)
        block->damage = "a stream behind it cannot be read";
    else if (ogg->cut)
        block->damage = "it ends within a page of Ogg";
    block->short_end = block->damage;
}

static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    struct ogg *ogg = (struct ogg *)decoder;
    *block = (struct decoder_block){0};
    unsigned errors = 0;
    while (block->frames == 0) {
        long frames = 0;
        if (ogg->opus || ogg->vorbis_open)
            frames = ogg->opus ? read_opus(ogg) : read_vorbis(ogg);
        bool opened = true;
        int result = frames == -ENOMEM ? -ENOMEM : 0;
        if (frames > 0) {
            block->frames = (size_t)frames;
        } else if (result == 0 && frames < 0 && ++errors < ERRORS_LIMIT) {
            block->damage = "pages of Ogg are missing";
        } else if (result == 0) {
            result = open_next_link(ogg, &opened);
        }
        if (result < 0)
            return decoder_fail_memory(decoder->input, error);
        if (!opened) {
            note_end(ogg, block);
            return 0;
        }
    }
    note_place(ogg, block);
    return 0;
}

static const struct decoder_class class = {.read = read_block, .destroy = destroy};

/* Seconds of the first link; the others' are unknown before they are decoded. */
static double duration(struct ogg *ogg)
{
    if (ogg->vorbis_open)
        return ov_time_total(&ogg->vorbis, -1);
    return (double)op_pcm_total(ogg->opus, -1) / OPUS_RATE;
}

int decoder_open_ogg(struct input *input, struct decoder **decoder, struct hearken_error *error)
{
    struct ogg *ogg = calloc(1, sizeof(*ogg));
    if (!ogg)
        return decoder_fail_memory(input, error);
    ogg->base = (struct decoder){
        .class = &class, .input = input, .start = input_tell(input), .container = "Ogg"};
    int result = open_link(ogg);
    if (result == 0) {
        ogg->base.duration = duration(ogg);
        ogg->base.codec = ogg->opus ? "opus" : "vorbis";
        *decoder = &ogg->base;
        return 0;
    }
    destroy(&ogg->base);
    return hearken_fail(error, result, "%s: cannot be read as Ogg Vorbis or Opus (%s)", input->name,
                        result == -EINVAL ? "its header is damaged" : strerror(-result));
}
