// SPDX-License-Identifier: MIT
#include "frontend/sound/stated_size.h"

#include <stdio.h>
#include <string.h>

/* Some writers count the header, too. */
#define SLACK_BYTES 128u

/* Chunks before the samples that are looked at. */
#define CHUNKS_MAX 1000

/* How a container cuts itself into chunks: a name, a size, and what it holds. */
struct chunk_form {
    const char *magic; /* at the start of the file */
    uint64_t first;    /* of the first chunk, bytes */
    size_t name_bytes, size_bytes;
    bool big_endian, counts_head; /* the size */
    unsigned alignment;
    const char *samples; /* the first letters of the chunk with the samples */
};

static const struct chunk_form forms[] = {
    {"RIFF", 12, 4, 4, false, false, 2, "data"},
    {"FORM", 12, 4, 4, true, false, 2, "SSND"},
    {"riff", 40, 16, 8, false, true, 8, "data"},
    {"caff", 8, 4, 8, true, false, 1, "data"},
};

static uint64_t load(const uint8_t *bytes, size_t size, bool big_endian)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[big_endian ? i : size - 1 - i];
    return value;
}

static bool read_at(struct decoder *decoder, uint64_t at, uint8_t *bytes, size_t size)
{
    return at < INT64_MAX / 2 && decoder_input_seek(decoder, (int64_t)at, SEEK_SET) >= 0 &&
           decoder_input_read(decoder, bytes, size) == size;
}

/* Whether `size` bytes from `at` on go beyond the end. All ones, and 0, are for streams. */
static bool is_missed(const struct decoder *decoder, uint64_t at, uint64_t size, size_t size_bytes)
{
    uint64_t there = decoder->input->size - decoder->start;
    uint64_t unknown = UINT64_MAX >> (64 - 8 * size_bytes);
    uint64_t rest = there > at ? there - at : 0;
    return size > 0 && size < unknown && size > rest + SLACK_BYTES;
}

static bool is_missed_by_chunks(struct decoder *decoder, const struct chunk_form *form)
{
    uint8_t head[24];
    uint64_t at = form->first;
    size_t bytes = form->name_bytes + form->size_bytes;
    for (int i = 0; i < CHUNKS_MAX && read_at(decoder, at, head, bytes); i++) {
        uint64_t size = load(head + form->name_bytes, form->size_bytes, form->big_endian);
        if (form->counts_head)
            size -= size < bytes ? size : bytes;
        if (memcmp(head, form->samples, 4) == 0)
            return is_missed(decoder, at + bytes, size, form->size_bytes);
        if (size > decoder->input->size)
            return false;
        at += bytes + (size + form->alignment - 1) / form->alignment * form->alignment;
    }
    return false;
}

bool stated_size_is_missed(struct decoder *decoder)
{
    uint8_t head[12];
    if (!read_at(decoder, 0, head, sizeof(head)))
        return false;
    if (memcmp(head, ".snd", 4) == 0)
        return is_missed(decoder, load(head + 4, 4, true), load(head + 8, 4, true), 4);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (memcmp(head, forms[i].magic, 4) == 0)
            return is_missed_by_chunks(decoder, &forms[i]);
    return false;
}
