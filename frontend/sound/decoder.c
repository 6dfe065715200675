// SPDX-License-Identifier: MIT
#include "frontend/sound/decoder.h"

#include "frontend/sound/pcm.h"
#include "frontend/sound/sniff.h"
#include "frontend/sound/wav.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Blank bytes before a recording that are skipped at most. */
#define BLANK_LIMIT 65536u

/* Bytes in which the format is detected. */
#define HEAD_BYTES 4096u

enum kind { NO_KIND, FLAC, OGG_FLAC, OGG, OGG_OTHER, MPEG };

/* ---- For decoders ---- */

int decoder_fail_memory(const struct input *input, struct hearken_error *error)
{
    return hearken_fail(error, -ENOMEM, "%s: %s", input->name, strerror(ENOMEM));
}

int decoder_check_format(const struct input *input, const struct hearken_audio_format *format,
                         struct hearken_error *error)
{
    struct hearken_error wrong;
    if (pcm_format_check(format, &wrong) == 0)
        return 0;
    return input ? hearken_fail(error, -EINVAL, "%s: has %s", input->name, wrong.message) : -EINVAL;
}

size_t decoder_input_read(struct decoder *decoder, void *bytes, size_t size)
{
    uint64_t at = input_tell(decoder->input), end = decoder->end;
    if (end > 0 && size > (end > at ? end - at : 0))
        size = end > at ? (size_t)(end - at) : 0;
    size_t done = 0;
    while (done < size) {
        long count = input_read(decoder->input, (uint8_t *)bytes + done, size - done, NULL);
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    return done;
}

int64_t decoder_input_seek(struct decoder *decoder, int64_t offset, int whence)
{
    uint64_t end = decoder->end > 0 ? decoder->end : decoder->input->size;
    int64_t from = 0;
    if (whence == SEEK_CUR)
        from = decoder_input_tell(decoder);
    if (whence == SEEK_END)
        from = (int64_t)(end > decoder->start ? end - decoder->start : 0);
    if (offset < -from || offset > INT64_MAX / 2 - from)
        return -1;
    if (input_seek(decoder->input, decoder->start + (uint64_t)(from + offset), NULL) < 0)
        return -1;
    return from + offset;
}

int64_t decoder_input_tell(const struct decoder *decoder)
{
    return (int64_t)(input_tell(decoder->input) - decoder->start);
}

void decoder_destroy(struct decoder *decoder)
{
    if (decoder)
        decoder->class->destroy(decoder);
}

/* ---- Detecting the format ---- */

/* Counts leading bytes that start no format: white space, zeros, a byte order mark. */
static size_t count_blank(const uint8_t *bytes, size_t size)
{
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && (bytes[at] == 0 || bytes[at] == ' ' || bytes[at] == '\t' ||
                         bytes[at] == '\r' || bytes[at] == '\n'))
        at++;
    return at;
}

static bool begins(const uint8_t *bytes, size_t size, const char *word)
{
    return size >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

/* Whether the bytes are a frame header of MPEG audio without reserved values. */
static bool is_mpeg(const uint8_t *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 0xff && (bytes[1] & 0xe0) == 0xe0 && (bytes[1] & 0x18) != 8 &&
           (bytes[1] & 6) != 0 && (bytes[2] & 0xf0) != 0xf0 && (bytes[2] & 0x0c) != 0x0c;
}

static enum kind kind_of_ogg(const uint8_t *bytes, size_t size)
{
    if (memmem(bytes, size, "\001vorbis", 7) || memmem(bytes, size, "OpusHead", 8))
        return OGG;
    return memmem(bytes, size, "\177FLAC", 5) ? OGG_FLAC : OGG_OTHER;
}

static enum kind kind_of(const uint8_t *bytes, size_t size)
{
    if (begins(bytes, size, "fLaC"))
        return FLAC;
    if (begins(bytes, size, "OggS"))
        return kind_of_ogg(bytes, size);
    return is_mpeg(bytes, size) ? MPEG : NO_KIND;
}

/* Size of an ID3v2 tag in bytes, 0 if there is none. The size field has seven bits in each byte. */
static uint64_t size_of_id3(const uint8_t *bytes, size_t size)
{
    if (size < 10 || !begins(bytes, size, "ID3") || bytes[3] == 0xff ||
        ((bytes[6] | bytes[7] | bytes[8] | bytes[9]) & 0x80) != 0)
        return 0;
    uint64_t body =
        (uint64_t)bytes[6] << 21 | (uint64_t)bytes[7] << 14 | (uint64_t)bytes[8] << 7 | bytes[9];
    return 10 + body + (bytes[5] & 0x10 ? 10 : 0);
}

/* ---- Opening ---- */

/* Fails because of what the file is, for `reason`. */
static int fail_unreadable(const struct input *input, const struct sniffed *sniffed,
                           const char *reason, struct hearken_error *error)
{
    static const char expected[] = "expected WAV, FLAC, Ogg, Opus, MP3, AIFF or AU";
    if (sniffed)
        return hearken_fail(error, -EINVAL, "%s: is %s: %s, or raw PCM with its format given",
                            input->name, sniffed->name, expected);
    return hearken_fail(error, -EINVAL,
                        "%s: cannot be read as audio (%s): %s, or raw PCM with its format given",
                        input->name, reason, expected);
}

/* Fails because hearken-decode would be needed. */
static int fail_without_program(const struct input *input, const struct sniffed *sniffed,
                                const char *program, struct hearken_error *error)
{
    static const char convert[] = "convert it: ffmpeg -i FILE -f wav - | hearken transcribe -";
    if (!program)
        return hearken_fail(error, -EINVAL, "%s: is %s, which hearken-decode reads; or %s",
                            input->name, sniffed->name, convert);
    return hearken_fail(error, -EINVAL,
                        "%s: is %s, which needs hearken-decode: it is not installed (%s); install "
                        "it, or %s",
                        input->name, sniffed->name, program, convert);
}

/* What no decoder of ours has read, for `reason`. */
static int open_foreign(struct input *input, const struct decoder_options *options,
                        const uint8_t *head, size_t size, const char *reason,
                        struct decoder **decoder, struct hearken_error *error)
{
    struct sniffed sniffed;
    struct hearken_error problem;
    const struct sniffed *known =
        sniff(head, size, &sniffed) || sniff_codec(head, size, &sniffed) ? &sniffed : NULL;
    if (known && !known->sound)
        return fail_unreadable(input, known, reason, error);
    int result = -ENOENT;
    if (options->program)
        result = decoder_open_program(input, options, decoder, &problem);
    if (result == -ENOENT)
        return known ? fail_without_program(input, known, options->program, error)
                     : fail_unreadable(input, known, reason, error);
    if (result == -EINVAL && known)
        return hearken_fail(error, result, "%s: is %s, but cannot be read: %s", input->name,
                            known->name, problem.message);
    if (result == -EINVAL)
        return fail_unreadable(input, known, problem.message, error);
    return result < 0 ? hearken_fail(error, result, "%s", problem.message) : 0;
}

/* Seeks in a regular input and reads the head there. */
static int look_at(struct input *input, uint64_t at, const uint8_t **head, size_t *size,
                   struct hearken_error *error)
{
    int result = input_seek(input, at, error);
    long count = 1;
    *size = 0;
    while (result == 0 && count > 0 && *size < HEAD_BYTES) {
        count = input_look(input, error);
        *head = input_head(input, size);
    }
    return result < 0 ? result : count < 0 ? (int)count : 0;
}

static int open_kind(struct input *input, enum kind kind, struct decoder **decoder,
                     struct hearken_error *error)
{
    switch (kind) {
    case FLAC:
    case OGG_FLAC:
        return decoder_open_flac(input, kind == OGG_FLAC, decoder, error);
    case OGG:
        return decoder_open_ogg(input, decoder, error);
    default:
        return decoder_open_mp3(input, kind == MPEG, decoder, error);
    }
}

/* Opens the recording at `at`. Returns 1 if its first bytes match no format. */
static int open_at(struct input *input, uint64_t at, struct decoder **decoder,
                   struct hearken_error *error)
{
    const uint8_t *head;
    size_t size;
    struct wav_layout layout;
    int result = look_at(input, at, &head, &size, error);
    if (result < 0)
        return result;
    enum wav_result wav;
    while ((wav = wav_parse(head, size, &layout)) == WAV_MORE) {
        long count = input_look(input, error);
        head = input_head(input, &size); /* even at the end: it may have moved */
        if (count < 0)
            return (int)count;
        if (count == 0)
            break;
    }
    if (wav == WAV_PCM)
        return decoder_open_wav(input, &layout, decoder, error);
    enum kind kind = kind_of(head, size);
    if (kind == NO_KIND || kind == OGG_OTHER)
        return 1;
    result = input_seek(input, at, error);
    return result < 0 ? result : open_kind(input, kind, decoder, error);
}

/* Advances `at` past blank bytes. */
static int skip_blank(struct input *input, uint64_t *at, struct hearken_error *error)
{
    const uint8_t *head;
    size_t size, blank = 0;
    uint64_t end = *at + BLANK_LIMIT;
    do {
        *at += blank;
        int result = look_at(input, *at, &head, &size, error);
        if (result < 0)
            return result;
        blank = count_blank(head, size);
    } while (size > 0 && blank == size && *at < end);
    *at += blank;
    return 0;
}

/* Advances `at` past ID3v2 tags and the padding after them. */
static int skip_tags(struct input *input, uint64_t *at, struct hearken_error *error)
{
    for (;;) {
        const uint8_t *head;
        size_t size;
        int result = look_at(input, *at, &head, &size, error);
        if (result < 0)
            return result;
        uint64_t tag = size_of_id3(head, size);
        if (tag == 0)
            return 0;
        *at += tag;
        if ((result = skip_blank(input, at, error)) < 0)
            return result;
    }
}

/* The position in the head of a signature that is unlikely in junk, or 0. */
static size_t find_mark(const uint8_t *head, size_t size)
{
    for (size_t i = 1; i + 12 <= size; i++) {
        const uint8_t *bytes = head + i;
        if (begins(bytes, 4, "fLaC") || begins(bytes, 5, "OggS") ||
            (begins(bytes, 4, "RIFF") && begins(bytes + 8, 4, "WAVE")))
            return i;
    }
    return 0;
}

static int open_with_sndfile(struct input *input, uint64_t at, struct decoder **decoder,
                             struct hearken_error *error)
{
    int result = input_seek(input, at, error);
    if (result == 0)
        result = decoder_open_sndfile(input, decoder, error);
    return result == -EINVAL ? 1 : result == -EDOM ? -EINVAL : result;
}

/* Opens a recording after junk: at a signature in the head, or at MP3 frames. */
static int open_behind_junk(struct input *input, const uint8_t *head, size_t size, uint64_t start,
                            struct decoder **decoder, struct hearken_error *error)
{
    size_t mark = find_mark(head, size);
    int result = mark > 0 ? open_at(input, mark, decoder, error) : 1;
    if (result != 1)
        return result;
    result = input_seek(input, start, error);
    if (result < 0)
        return result;
    result = decoder_open_mp3(input, false, decoder, error);
    return result == -EINVAL ? 1 : result;
}

/* Opens a recording at the start, or after tags, blanks or junk. Returns 1 if there is none. */
static int open_somewhere(struct input *input, const uint8_t *head, size_t size,
                          struct decoder **decoder, struct hearken_error *error)
{
    struct sniffed sniffed;
    uint64_t tagged = 0, blank = 0;
    int result = skip_tags(input, &tagged, error);
    if (result < 0 || (result = skip_blank(input, &blank, error)) < 0)
        return result;
    result = open_at(input, tagged, decoder, error);
    if (result == 1 && tagged == 0)
        result = open_with_sndfile(input, 0, decoder, error);
    if (result == 1 && blank > 0 && (result = open_at(input, blank, decoder, error)) == 1)
        result = open_with_sndfile(input, blank, decoder, error);
    if (result == 1 && !sniff(head, size, &sniffed)) {
        struct hearken_error none;
        result = open_behind_junk(input, head, size, tagged, decoder, &none);
    }
    return result;
}

/* A regular input, at its start. */
static int open_regular(struct input *input, const struct decoder_options *options,
                        struct decoder **decoder, struct hearken_error *error)
{
    uint8_t head[HEAD_BYTES];
    const uint8_t *bytes;
    size_t size;
    int result = look_at(input, 0, &bytes, &size, error);
    if (result < 0)
        return result;
    size = size < sizeof(head) ? size : sizeof(head);
    memcpy(head, bytes, size);
    struct sniffed sniffed;
    struct hearken_error reason = {"unknown format"};
    result = 1;
    if (!sniff(head, size, &sniffed) || !sniffed.sound)
        result = open_somewhere(input, head, size, decoder, &reason);
    if (result == 1)
        return open_foreign(input, options, head, size, reason.message, decoder, error);
    struct hearken_error none;
    if (result == -EINVAL && options->program &&
        decoder_open_program(input, options, decoder, &none) == 0)
        return 0;
    return result < 0 ? hearken_fail(error, result, "%s", reason.message) : 0;
}

/* Looks for a WAV header of linear PCM; returns 1 if the head now begins with one. */
static int find_wav(struct input *input, struct wav_layout *layout, struct hearken_error *error)
{
    for (;;) {
        size_t size;
        const uint8_t *head = input_head(input, &size);
        size_t blank = count_blank(head, size);
        enum wav_result result = wav_parse(head + blank, size - blank, layout);
        if (result == WAV_PCM) {
            input_skip(input, blank);
            return 1;
        }
        if (result == WAV_OTHER || blank > BLANK_LIMIT)
            return 0;
        long count = input_look(input, error);
        if (count <= 0)
            return (int)count;
    }
}

/* Only hearken-decode finds several tracks. */
static int check_track(const struct input *input, const struct decoder_options *options,
                       struct decoder **decoder, struct hearken_error *error)
{
    if (options->track <= 1 || (*decoder)->tracks)
        return 0;
    decoder_destroy(*decoder);
    *decoder = NULL;
    return hearken_fail(error, -EINVAL, "%s: it has no audio track %u, expected 1", input->name,
                        (unsigned)options->track);
}

int decoder_open(struct input *input, const struct decoder_options *options,
                 struct decoder **decoder, struct hearken_error *error)
{
    struct wav_layout layout;
    int result = find_wav(input, &layout, error);
    if (result < 0)
        return result;
    if (result == 1) {
        result = decoder_open_wav(input, &layout, decoder, error);
    } else {
        result = input->regular ? input_seek(input, 0, error) : input_spool(input, error);
        if (result == 0 && input->size == 0)
            result = hearken_fail(error, -EINVAL, "%s: is empty: expected audio", input->name);
        if (result == 0)
            result = open_regular(input, options, decoder, error);
    }
    return result < 0 ? result : check_track(input, options, decoder, error);
}
