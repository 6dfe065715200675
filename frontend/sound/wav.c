// SPDX-License-Identifier: MIT
/* RIFF: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (1991);
 * RF64 and its ds64 chunk: EBU Tech 3306; WAVE_FORMAT_EXTENSIBLE: Microsoft, "Multiple Channel
 * Audio Data and WAVE Files". */
#include "frontend/sound/wav.h"

#include "include/internal/little_endian.h"

#include <string.h>

#define TAG_PCM        1u
#define TAG_FLOAT      3u
#define TAG_EXTENSIBLE 0xFFFEu

/* Sizes from this value on mean "unknown": to a pipe, sox writes 0x7ffff000, arecord 0x7fffffff or
 * 0x80000000, and ffmpeg 0xffffffff. */
#define SIZE_UNKNOWN 0x7ffff000u

struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at; /* of the chunk's header */
    bool has_format, has_long_size;
    uint64_t long_size; /* of the data, from ds64 */
    struct hearken_audio_format format;
};

static bool has_id(const uint8_t *bytes, const char *id)
{
    return memcmp(bytes, id, 4) == 0;
}

static bool set_type(uint32_t tag, uint32_t bits, enum hearken_sample_type *type)
{
    static const enum hearken_sample_type integers[] = {
        HEARKEN_SAMPLE_U8,
        HEARKEN_SAMPLE_S16,
        HEARKEN_SAMPLE_S24,
        HEARKEN_SAMPLE_S32,
    };
    if (tag == TAG_FLOAT && bits == 32) {
        *type = HEARKEN_SAMPLE_F32;
        return true;
    }
    if (tag != TAG_PCM || bits < 1 || bits > 32)
        return false;
    *type = integers[(bits - 1) / 8];
    return true;
}

/* The tag in the GUID of an extensible format, which is the tag and a fixed suffix. */
static uint32_t extended_tag(const uint8_t *body, uint32_t size)
{
    static const uint8_t rest[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    return size >= 40 && memcmp(body + 26, rest, sizeof(rest)) == 0 ? load_u16(body + 24) : 0;
}

/* Samples narrower than their bytes are left-justified in them, so only the bytes count. */
static bool set_format(struct reader *reader, const uint8_t *body, uint32_t size)
{
    if (size < 16)
        return false;
    uint32_t tag = load_u16(body), align = load_u16(body + 12), bits = load_u16(body + 14);
    struct hearken_audio_format *format = &reader->format;
    format->channels = load_u16(body + 2);
    format->rate = load_u32(body + 4);
    if (tag == TAG_EXTENSIBLE)
        tag = extended_tag(body, size);
    if (!set_type(tag, bits, &format->type))
        return false;
    if (align != 0 && align != format->channels * ((bits + 7) / 8))
        return false;
    reader->has_format = true;
    return format->channels > 0;
}

/* The bytes of a chunk's body that the parser needs. */
static size_t body_needed(const uint8_t *id, uint32_t size)
{
    size_t most = has_id(id, "fmt ") ? 40 : has_id(id, "ds64") ? 16 : 0;
    return size < most ? size : most;
}

/* Bodies of odd size are followed by a zero byte, which some writers forget. */
static enum wav_result next_chunk(struct reader *reader, uint32_t size)
{
    if (size > WAV_HEADER_LIMIT || reader->at + 8 + size > WAV_HEADER_LIMIT)
        return WAV_OTHER;
    size_t next = reader->at + 8 + size;
    if (size % 2 == 1) {
        if (next + 4 > reader->size)
            return WAV_MORE;
        const uint8_t *id = reader->bytes + next;
        if (!has_id(id, "data") && !has_id(id, "fmt ") && !has_id(id, "LIST"))
            next++;
    }
    reader->at = next;
    return WAV_PCM;
}

static enum wav_result found(const struct reader *reader, uint32_t size, struct wav_layout *layout)
{
    if (!reader->has_format)
        return WAV_OTHER;
    bool is_long = size == UINT32_MAX && reader->has_long_size;
    layout->format = reader->format;
    layout->data_at = reader->at + 8;
    layout->data_size = is_long ? reader->long_size : size;
    layout->data_size_credible =
        layout->data_size != 0 && layout->data_size < (is_long ? UINT64_MAX / 2 : SIZE_UNKNOWN);
    return WAV_PCM;
}

/* Whether the bytes are an id or a prefix of one. */
static bool may_be(const uint8_t *bytes, size_t size, const char *id)
{
    return memcmp(bytes, id, size < 4 ? size : 4) == 0;
}

static bool may_be_wave(const uint8_t *bytes, size_t size)
{
    return (may_be(bytes, size, "RIFF") || may_be(bytes, size, "RF64") ||
            may_be(bytes, size, "BW64")) &&
           (size <= 8 || may_be(bytes + 8, size - 8, "WAVE"));
}

enum wav_result wav_parse(const uint8_t *bytes, size_t size, struct wav_layout *layout)
{
    if (!may_be_wave(bytes, size))
        return WAV_OTHER;
    struct reader reader = {.bytes = bytes, .size = size, .at = 12};
    enum wav_result result = WAV_PCM;
    while (result == WAV_PCM) {
        if (reader.at + 8 > size)
            return WAV_MORE;
        const uint8_t *id = bytes + reader.at, *body = id + 8;
        uint32_t body_size = load_u32(id + 4);
        if (has_id(id, "data"))
            return found(&reader, body_size, layout);
        if (reader.at + 8 + body_needed(id, body_size) > size)
            return WAV_MORE;
        if (has_id(id, "fmt ") && !set_format(&reader, body, body_size))
            return WAV_OTHER;
        if (has_id(id, "ds64") && body_size >= 16) {
            reader.long_size = load_u64(body + 8);
            reader.has_long_size = true;
        }
        result = next_chunk(&reader, body_size);
    }
    return result;
}
