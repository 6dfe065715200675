// SPDX-License-Identifier: MIT
/*
 * FLAC, native or in Ogg, with libFLAC.
 *
 * Ogg is demultiplexed here: its packets contain native FLAC after a prefix of nine bytes. So
 * chained Ogg streams and concatenated files are handled alike: at every further STREAMINFO, the
 * decoder ends libFLAC's stream and restarts it. libFLAC resynchronises after damage by itself.
 */
#include "frontend/sound/decoder.h"

#include <FLAC/stream_decoder.h>
#include <errno.h>
#include <ogg/ogg.h>
#include <stdlib.h>
#include <string.h>

#define FEED_BYTES 65536u

/* The prefix of native FLAC in the first packet: 0x7f "FLAC", version, count of headers. */
#define OGG_PREFIX 9u

/* "fLaC" and the header of the block that must follow, STREAMINFO of 34 bytes. */
#define MARK_BYTES 8u

#define ID3V1_BYTES 128u

struct flac {
    struct decoder base;
    FLAC__StreamDecoder *library;
    struct hearken_audio_format format; /* of the decoded frames */
    int32_t *samples;                   /* [frames, channels] */
    size_t frames, room;

    uint8_t *feed; /* native FLAC; bytes feed_at <= i < feed_end are not yet consumed */
    size_t feed_at, feed_end, feed_room;
    uint64_t given; /* bytes of the stream that libFLAC has read */
    bool input_ended;

    bool ogg;
    ogg_sync_state sync;
    ogg_stream_state packets;
    bool packets_open, packets_begun; /* there is a stream; not only its first page */

    bool informed;     /* STREAMINFO was there */
    uint64_t total;    /* frames of the stream according to STREAMINFO; 0: unknown */
    uint64_t position; /* of the next frame */
    bool begun;        /* a frame has been decoded */
    uint64_t decoded;  /* bytes of the stream up to the end of the last decoded frame */
    uint64_t lost;     /* frames missing before the decoded ones */
    bool damaged;      /* since the last frame */
    int failure;       /* errno of a failure in a callback: memory or input */
};

/* ---- Feeding ---- */

static bool is_mark(const uint8_t *bytes)
{
    return memcmp(bytes, "fLaC", 4) == 0 && (bytes[4] & 0x7f) == 0 &&
           memcmp(bytes + 5, "\0\0\x22", 3) == 0;
}

static int reserve_feed(struct flac *flac, size_t size)
{
    size_t held = flac->feed_end - flac->feed_at;
    if (flac->feed_at > 0 && held > 0)
        memmove(flac->feed, flac->feed + flac->feed_at, held);
    flac->feed_at = 0;
    flac->feed_end = held;
    if (held + size <= flac->feed_room)
        return 0;
    uint8_t *grown = realloc(flac->feed, held + size);
    if (!grown)
        return -ENOMEM;
    flac->feed = grown;
    flac->feed_room = held + size;
    return 0;
}

static bool is_first_packet(const uint8_t *bytes, size_t size)
{
    static const char prefix[] = "\177FLAC";
    return size > OGG_PREFIX && memcmp(bytes, prefix, sizeof(prefix) - 1) == 0;
}

static int feed_packet(struct flac *flac, const ogg_packet *packet)
{
    const uint8_t *bytes = packet->packet;
    size_t size = (size_t)packet->bytes;
    if (is_first_packet(bytes, size)) {
        bytes += OGG_PREFIX;
        size -= OGG_PREFIX;
    }
    if (size == 0)
        return 0;
    int result = reserve_feed(flac, size);
    if (result < 0)
        return result;
    memcpy(flac->feed + flac->feed_end, bytes, size);
    flac->feed_end += size;
    return 0;
}

/* Pages of other streams may be interleaved; a further FLAC stream is the next link of a chain. */
static int take_page(struct flac *flac, ogg_page *page)
{
    bool first = ogg_page_bos(page) && is_first_packet(page->body, (size_t)page->body_len);
    if (first && (!flac->packets_open || flac->packets_begun)) {
        if (flac->packets_open)
            ogg_stream_clear(&flac->packets);
        flac->packets_open = ogg_stream_init(&flac->packets, ogg_page_serialno(page)) == 0;
        flac->packets_begun = false;
        if (!flac->packets_open)
            return -ENOMEM;
    }
    if (!flac->packets_open || ogg_page_serialno(page) != flac->packets.serialno)
        return 0;
    flac->packets_begun = !first;
    ogg_stream_pagein(&flac->packets, page);
    ogg_packet packet;
    int result = 0, got;
    while (result == 0 && (got = ogg_stream_packetout(&flac->packets, &packet)) != 0) {
        if (got > 0)
            result = feed_packet(flac, &packet);
        else
            flac->damaged = true;
    }
    return result;
}

static int feed_ogg(struct flac *flac)
{
    size_t before = flac->feed_end - flac->feed_at;
    while (flac->feed_end - flac->feed_at == before) {
        ogg_page page;
        int got = ogg_sync_pageout(&flac->sync, &page);
        int result = got > 0 ? take_page(flac, &page) : 0;
        if (result < 0)
            return result;
        if (got < 0)
            flac->damaged = true;
        if (got != 0)
            continue;
        char *bytes = ogg_sync_buffer(&flac->sync, FEED_BYTES);
        if (!bytes)
            return -ENOMEM;
        size_t size = decoder_input_read(&flac->base, bytes, FEED_BYTES);
        ogg_sync_wrote(&flac->sync, (long)size);
        if (size == 0) {
            flac->input_ended = true;
            return 0;
        }
    }
    return 0;
}

static int feed_native(struct flac *flac)
{
    int result = reserve_feed(flac, FEED_BYTES);
    if (result < 0)
        return result;
    size_t size = decoder_input_read(&flac->base, flac->feed + flac->feed_end, FEED_BYTES);
    flac->feed_end += size;
    flac->input_ended = size < FEED_BYTES;
    return 0;
}

/* Bytes in `feed` that certainly belong to the current stream; 0: it ends here. */
static size_t bytes_of_stream(const struct flac *flac)
{
    size_t held = flac->feed_end - flac->feed_at;
    if (held == 0)
        return 0;
    const uint8_t *bytes = flac->feed + flac->feed_at;
    size_t start = flac->given == 0 ? 1 : 0;
    for (size_t i = start; i + MARK_BYTES <= held; i++)
        if (bytes[i] == 'f' && is_mark(bytes + i))
            return i;
    return flac->input_ended ? held : held >= MARK_BYTES ? held - (MARK_BYTES - 1) : 0;
}

/* ---- Callbacks of libFLAC ---- */

static FLAC__StreamDecoderReadStatus give(const FLAC__StreamDecoder *library, FLAC__byte bytes[],
                                          size_t *size, void *user)
{
    (void)library;
    struct flac *flac = user;
    while (flac->feed_end - flac->feed_at < MARK_BYTES && !flac->input_ended) {
        flac->failure = flac->ogg ? feed_ogg(flac) : feed_native(flac);
        if (flac->failure < 0)
            return FLAC__STREAM_DECODER_READ_STATUS_ABORT;
    }
    size_t there = bytes_of_stream(flac);
    if (*size > there)
        *size = there;
    if (*size == 0)
        return FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM;
    memcpy(bytes, flac->feed + flac->feed_at, *size);
    flac->feed_at += *size;
    flac->given += *size;
    return FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

static FLAC__StreamDecoderTellStatus tell(const FLAC__StreamDecoder *library, FLAC__uint64 *at,
                                          void *user)
{
    (void)library;
    *at = ((struct flac *)user)->given;
    return FLAC__STREAM_DECODER_TELL_STATUS_OK;
}

static void take_metadata(const FLAC__StreamDecoder *library, const FLAC__StreamMetadata *metadata,
                          void *user)
{
    (void)library;
    struct flac *flac = user;
    if (metadata->type != FLAC__METADATA_TYPE_STREAMINFO)
        return;
    flac->informed = true;
    flac->total = metadata->data.stream_info.total_samples;
    flac->format.rate = metadata->data.stream_info.sample_rate;
    flac->format.channels = metadata->data.stream_info.channels;
    flac->format.type = HEARKEN_SAMPLE_S32;
}

static void take_error(const FLAC__StreamDecoder *library, FLAC__StreamDecoderErrorStatus status,
                       void *user)
{
    (void)library, (void)status;
    ((struct flac *)user)->damaged = true;
}

static int reserve_samples(struct flac *flac, size_t count)
{
    if (count <= flac->room)
        return 0;
    int32_t *grown = realloc(flac->samples, count * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    flac->samples = grown;
    flac->room = count;
    return 0;
}

/* Derives the frames missing before this one from its position in the stream. */
static void find_place(struct flac *flac, const FLAC__FrameHeader *header)
{
    uint64_t number = header->number.sample_number;
    bool counted = header->number_type == FLAC__FRAME_NUMBER_TYPE_SAMPLE_NUMBER;
    if (counted && (flac->begun || flac->damaged) && number > flac->position &&
        (flac->total == 0 || number < flac->total)) {
        flac->lost += number - flac->position;
        flac->damaged = true;
    }
    flac->position = (counted ? number : flac->position) + header->blocksize;
    flac->begun = true;
}

/* Appends a frame to those already decoded. libFLAC replaces missing frames by silent ones in one
 * call, as many as a damaged header claims. */
static FLAC__StreamDecoderWriteStatus take_frame(const FLAC__StreamDecoder *library,
                                                 const FLAC__Frame *frame,
                                                 const FLAC__int32 *const channels[], void *user)
{
    (void)library;
    struct flac *flac = user;
    const FLAC__FrameHeader *header = &frame->header;
    const struct hearken_audio_format format = {header->sample_rate, header->channels,
                                                HEARKEN_SAMPLE_S32};
    find_place(flac, header);
    if (format.rate != flac->format.rate || format.channels != flac->format.channels ||
        flac->frames > (size_t)format.rate * DECODER_LOST_SECONDS)
        flac->frames = 0;
    flac->format = format;
    size_t before = flac->frames * format.channels;
    flac->failure = reserve_samples(flac, before + (size_t)header->blocksize * format.channels);
    if (flac->failure < 0)
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    uint32_t shift = 32 - header->bits_per_sample;
    int32_t *sample = flac->samples + before;
    for (uint32_t i = 0; i < header->blocksize; i++)
        for (uint32_t c = 0; c < header->channels; c++)
            *sample++ = (int32_t)((uint32_t)channels[c][i] << shift);
    flac->frames += header->blocksize;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

/* ---- Reading ---- */

static int start_stream(struct flac *flac)
{
    FLAC__stream_decoder_finish(flac->library);
    flac->given = flac->decoded = flac->total = flac->position = 0;
    flac->begun = flac->informed = false;
    return FLAC__stream_decoder_init_stream(flac->library, give, NULL, tell, NULL, NULL, take_frame,
                                            take_metadata, take_error,
                                            flac) == FLAC__STREAM_DECODER_INIT_STATUS_OK
               ? 0
               : -ENOMEM;
}

/* Whether bytes remain after the last frame that are more than an ID3v1 tag: part of a frame. */
static bool is_short(const struct flac *flac)
{
    if (flac->total > 0)
        return flac->position < flac->total;
    return flac->damaged || (flac->begun && flac->given - flac->decoded > ID3V1_BYTES);
}

/* Decodes until there are frames or all streams have ended. */
static int decode(struct flac *flac)
{
    flac->frames = 0;
    flac->lost = 0;
    while (flac->frames == 0) {
        bool good = FLAC__stream_decoder_process_single(flac->library);
        FLAC__StreamDecoderState state = FLAC__stream_decoder_get_state(flac->library);
        if (flac->failure < 0)
            return flac->failure;
        if (state == FLAC__STREAM_DECODER_END_OF_STREAM) {
            if (flac->feed_at == flac->feed_end)
                return 0;
            bool cut = is_short(flac);
            int result = start_stream(flac);
            if (result < 0)
                return result;
            flac->damaged = cut;
        } else if (!good) {
            return -ENOMEM;
        }
    }
    FLAC__uint64 decoded;
    if (FLAC__stream_decoder_get_decode_position(flac->library, &decoded))
        flac->decoded = decoded;
    return 0;
}

static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    struct flac *flac = (struct flac *)decoder;
    *block = (struct decoder_block){0};
    int result = decode(flac);
    if (result < 0)
        return hearken_fail(error, result, "%s: %s", decoder->input->name, strerror(-result));
    block->format = flac->format;
    block->samples = flac->samples;
    block->frames = flac->frames;
    if (flac->frames > 0) {
        block->lost = flac->lost;
        block->damage = flac->damaged ? "frames of FLAC are missing" : NULL;
        flac->damaged = false;
    } else if (is_short(flac)) {
        block->damage = flac->total > 0 ? "its header states more" : "it ends within a frame";
        block->short_end = true;
    }
    return 0;
}

static void destroy(struct decoder *decoder)
{
    struct flac *flac = (struct flac *)decoder;
    if (flac->library)
        FLAC__stream_decoder_delete(flac->library);
    if (flac->packets_open)
        ogg_stream_clear(&flac->packets);
    ogg_sync_clear(&flac->sync);
    free(flac->samples);
    free(flac->feed);
    free(flac);
}

static const struct decoder_class class = {.read = read_block, .destroy = destroy};

int decoder_open_flac(struct input *input, bool ogg, struct decoder **decoder,
                      struct hearken_error *error)
{
    struct flac *flac = calloc(1, sizeof(*flac));
    if (!flac)
        return decoder_fail_memory(input, error);
    flac->base = (struct decoder){
        .class = &class,
        .input = input,
        .start = input_tell(input),
        .duration = -1,
        .container = ogg ? "Ogg" : "FLAC",
        .codec = "flac",
    };
    flac->ogg = ogg;
    ogg_sync_init(&flac->sync);
    flac->library = FLAC__stream_decoder_new();
    int result = flac->library ? start_stream(flac) : -ENOMEM;
    if (result == 0 &&
        (!FLAC__stream_decoder_process_until_end_of_metadata(flac->library) || !flac->informed))
        result = flac->failure < 0 ? flac->failure : -EINVAL;
    if (result < 0) {
        destroy(&flac->base);
        return hearken_fail(error, result, "%s: cannot be read as FLAC (%s)", input->name,
                            result == -EINVAL ? "its header is damaged" : strerror(-result));
    }
    if (flac->total > 0 && flac->format.rate > 0)
        flac->base.duration = (double)flac->total / flac->format.rate;
    *decoder = &flac->base;
    return 0;
}
