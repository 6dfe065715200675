// SPDX-License-Identifier: MIT
/*
 * MP3, and MPEG layers I and II, with libmpg123.
 *
 * Decodes frame by frame: a gap between two frames held bytes that are not audio. Concatenated
 * files are parts with a libmpg123 handle each, so that the length in a part's first frame (Xing,
 * Info) applies to that part only.
 */
#include "frontend/sound/decoder.h"

#include <errno.h>
#include <mpg123.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Consecutive frames required to accept bytes after junk as MP3. */
#define CERTAIN_FRAMES 4

/* Bytes that are searched for the first frame. */
#define SEARCH_BYTES 65536

struct mp3 {
    struct decoder base;
    mpg123_handle *handle; /* of the part, or NULL at the end */
    struct hearken_audio_format format;
    uint64_t part;          /* start of the part, in bytes from the recording's start */
    uint64_t end;           /* end of the last frame, likewise */
    bool begun;             /* a frame has been found */
    uint64_t stated, given; /* samples of the part: by its first frame (0: unknown); so far */
};

/* The next frame. */
struct frame {
    uint64_t at;   /* from the recording's start */
    uint64_t size; /* bytes */
};

static ssize_t read_input(void *user, void *bytes, size_t size)
{
    return (ssize_t)decoder_input_read(user, bytes, size);
}

/* libmpg123 seeks to 0 when it opens a stream; that is the start of the part. */
static off_t seek_input(void *user, off_t offset, int whence)
{
    struct mp3 *mp3 = user;
    int64_t part = (int64_t)mp3->part;
    if (whence == SEEK_SET)
        offset += part;
    int64_t place = decoder_input_seek(&mp3->base, offset, whence);
    return place < part ? -1 : (off_t)(place - part);
}

static void destroy(struct decoder *decoder)
{
    struct mp3 *mp3 = (struct mp3 *)decoder;
    mpg123_delete(mp3->handle);
    free(mp3);
}

static int open_part(struct mp3 *mp3, uint64_t at, long search)
{
    mpg123_delete(mp3->handle);
    mp3->part = at;
    mp3->stated = mp3->given = 0;
    mp3->handle = mpg123_new(NULL, NULL);
    mpg123_handle *h = mp3->handle;
    long flags = MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS | MPG123_NO_FRANKENSTEIN;
    if (!h || mpg123_param(h, MPG123_ADD_FLAGS, flags, 0) != MPG123_OK ||
        mpg123_param(h, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0) != MPG123_OK ||
        mpg123_param(h, MPG123_RESYNC_LIMIT, search, 0) != MPG123_OK ||
        mpg123_replace_reader_handle(h, read_input, seek_input, NULL) != MPG123_OK)
        return -ENOMEM;
    if (decoder_input_seek(&mp3->base, (int64_t)at, SEEK_SET) < 0)
        return -EIO;
    return mpg123_open_handle(h, mp3) == MPG123_OK ? 0 : -ENOMEM;
}

/* Applies the current format; false if it is not supported. */
static bool use_format(struct mp3 *mp3)
{
    long rate;
    int channels, encoding;
    if (mpg123_getformat(mp3->handle, &rate, &channels, &encoding) != MPG123_OK)
        return false;
    mp3->format =
        (struct hearken_audio_format){(uint32_t)rate, (uint32_t)channels, HEARKEN_SAMPLE_F32};
    return encoding == MPG123_ENC_FLOAT_32 && decoder_check_format(NULL, &mp3->format, NULL) == 0;
}

/* The length that the part's first frame states; 0 if it states none. */
static uint64_t stated_length(mpg123_handle *handle)
{
    long delay = -1;
    off_t length = mpg123_length(handle);
    if (mpg123_getstate2(handle, MPG123_ENC_DELAY, &delay, NULL) != MPG123_OK || delay < 0)
        return 0;
    return length > 0 ? (uint64_t)length : 0;
}

/* Finds the next frame of the part; false if there is none. */
static bool find_frame(struct mp3 *mp3, struct frame *frame)
{
    unsigned long header;
    unsigned char *body;
    size_t size;
    int result = mpg123_framebyframe_next(mp3->handle);
    if (result != MPG123_OK && result != MPG123_NEW_FORMAT)
        return false;
    if ((result == MPG123_NEW_FORMAT || mp3->format.rate == 0) && !use_format(mp3))
        return false;
    if (mpg123_framedata(mp3->handle, &header, &body, &size) != MPG123_OK)
        return false;
    off_t at = mpg123_framepos(mp3->handle);
    if (mp3->given == 0)
        mp3->stated = stated_length(mp3->handle);
    *frame = (struct frame){mp3->part + (uint64_t)(at < 0 ? 0 : at), size + 4};
    return true;
}

/* ---- Between frames ---- */

static bool is_sync(const uint8_t *bytes)
{
    return bytes[0] == 0xff && (bytes[1] & 0xe0) == 0xe0;
}

static bool holds(const uint8_t *bytes, size_t size, const char *word)
{
    return memmem(bytes, size, word, strlen(word));
}

/* Reads the bytes after the last frame and restores the position. */
static size_t peek(struct mp3 *mp3, uint8_t *bytes, size_t size)
{
    int64_t place = decoder_input_tell(&mp3->base);
    decoder_input_seek(&mp3->base, (int64_t)mp3->end, SEEK_SET);
    size_t got = decoder_input_read(&mp3->base, bytes, size);
    decoder_input_seek(&mp3->base, place, SEEK_SET);
    return got;
}

/* Whether the bytes after the last frame are legitimate though they are no audio: a tag, or a frame
 * that states the length of a file. */
static bool is_tag(const uint8_t *bytes, size_t size)
{
    static const char *const tags[] = {"ID3", "TAG", "APETAGEX", "LYRICSBEGIN", "3DI"};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (size >= strlen(tags[i]) && memcmp(bytes, tags[i], strlen(tags[i])) == 0)
            return true;
    if (size >= 2 && is_sync(bytes))
        return holds(bytes, size, "Xing") || holds(bytes, size, "Info") ||
               holds(bytes, size, "VBRI");
    return false;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    return size == 0;
}

/* Counts the bytes of a gap as the frames that would fill them. */
static void look_between(struct mp3 *mp3, const struct frame *frame, struct decoder_block *block)
{
    uint8_t bytes[64];
    if (!mp3->begun || frame->at <= mp3->end || is_tag(bytes, peek(mp3, bytes, sizeof(bytes))))
        return;
    uint64_t frames = (frame->at - mp3->end + frame->size / 2) / frame->size;
    block->damage = "frames of MP3 are missing";
    block->lost = frames * (uint64_t)mpg123_spf(mp3->handle);
    mp3->given += block->lost;
}

/* At the end: detects an incomplete frame, or fewer samples than the part states. */
static void look_behind(struct mp3 *mp3, bool lacks, struct decoder_block *block)
{
    uint8_t bytes[64];
    size_t size = peek(mp3, bytes, sizeof(bytes));
    if (lacks)
        block->damage = "its header states more";
    else if (!is_tag(bytes, size) && size >= 2 && is_sync(bytes))
        block->damage = "it ends within a frame";
    else if (!is_tag(bytes, size) && size == sizeof(bytes) && !is_zero(bytes, size))
        block->damage = "its end is not MP3";
    block->short_end = block->damage;
}

/* ---- Reading ---- */

/* Whether more than one frame is missing: a decoder may hold back one at the end. */
static bool part_lacks(const struct mp3 *mp3)
{
    return mp3->stated > mp3->given + 2 * (uint64_t)mpg123_spf(mp3->handle);
}

/* Finds the next frame, of this part or else of the next. `lacks`: the part that ended has too few
 * samples. */
static int next_frame(struct mp3 *mp3, struct frame *frame, bool *found, bool *lacks)
{
    *lacks = false;
    *found = find_frame(mp3, frame);
    if (*found)
        return 0;
    *lacks = part_lacks(mp3);
    int result = open_part(mp3, mp3->end, -1);
    if (result == -ENOMEM)
        return result;
    *found = result == 0 && find_frame(mp3, frame) && frame->at >= mp3->end;
    return 0;
}

static void decode_frame(struct mp3 *mp3, struct decoder_block *block)
{
    unsigned char *samples = NULL;
    size_t bytes = 0;
    off_t number;
    if (mpg123_framebyframe_decode(mp3->handle, &number, &samples, &bytes) != MPG123_OK)
        block->damage = "a frame of MP3 is damaged";
    block->format = mp3->format;
    block->samples = samples;
    block->frames = samples ? bytes / hearken_audio_frame_size(&mp3->format) : 0;
    mp3->given += block->frames;
    mp3->begun = true;
}

static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    struct mp3 *mp3 = (struct mp3 *)decoder;
    *block = (struct decoder_block){0};
    while (block->frames == 0) {
        struct frame frame;
        bool found, lacks;
        if (next_frame(mp3, &frame, &found, &lacks) < 0)
            return decoder_fail_memory(decoder->input, error);
        if (!found) {
            look_behind(mp3, lacks, block);
            return 0;
        }
        look_between(mp3, &frame, block);
        if (lacks && !block->damage)
            block->damage = "frames of MP3 are missing";
        decode_frame(mp3, block);
        mp3->end = frame.at + frame.size;
    }
    return 0;
}

static const struct decoder_class class = {.read = read_block, .destroy = destroy};

/* Whether several consecutive frames follow, which is very unlikely in junk. */
static bool is_certain(struct mp3 *mp3)
{
    struct frame frame;
    uint64_t end = 0;
    for (int i = 0; i < CERTAIN_FRAMES; i++) {
        if (!find_frame(mp3, &frame) || (i > 0 && frame.at != end))
            return false;
        end = frame.at + frame.size;
    }
    return true;
}

static int open_mp3(struct mp3 *mp3, bool certain)
{
    struct frame frame;
    int result = open_part(mp3, 0, SEARCH_BYTES);
    if (result < 0)
        return result;
    if (certain ? !find_frame(mp3, &frame) : !is_certain(mp3))
        return -EINVAL;
    off_t length = mpg123_length(mp3->handle);
    if (length > 0)
        mp3->base.duration = (double)length / mp3->format.rate;
    return open_part(mp3, 0, -1);
}

int decoder_open_mp3(struct input *input, bool certain, struct decoder **decoder,
                     struct hearken_error *error)
{
    struct mp3 *mp3 = calloc(1, sizeof(*mp3));
    if (!mp3)
        return decoder_fail_memory(input, error);
    mp3->base = (struct decoder){
        .class = &class,
        .input = input,
        .start = input_tell(input),
        .duration = -1,
        .container = "MPEG audio",
        .codec = "mp3",
    };
    int result = open_mp3(mp3, certain);
    if (result == 0) {
        *decoder = &mp3->base;
        return 0;
    }
    destroy(&mp3->base);
    return hearken_fail(error, result, "%s: cannot be read as MP3 (%s)", input->name,
                        result == -EINVAL ? "there is no frame" : strerror(-result));
}
