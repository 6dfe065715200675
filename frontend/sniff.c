// SPDX-License-Identifier: MIT
#include "sniff.h"

#include <stdbool.h>
#include <string.h>

struct signature {
    size_t at, size;
    const char *bytes;
    const char *name;
};

/* Formats that people take for audio files and that libsndfile does not read. */
static const struct signature signatures[] = {
    {4, 4, "ftyp", "an MP4 file (AAC or ALAC)"},
    {0, 4, "\x1a\x45\xdf\xa3", "a Matroska or WebM file"},
    {0, 4, "\x30\x26\xb2\x75", "a Windows Media file"},
    {0, 5, "#!AMR", "an AMR file"},
    {0, 4, "MAC ", "a Monkey's Audio file"},
    {0, 4, "wvpk", "a WavPack file"},
    {0, 4, "TTA1", "a True Audio file"},
    {0, 4, "MPCK", "a Musepack file"},
    {0, 4, "DSD ", "a DSD file"},
    {0, 4, "FLV\x01", "a Flash video"},
    {8, 4, "AVI ", "an AVI file"},
    {0, 2, "\x0b\x77", "an AC-3 file"},
    {0, 4, "MThd", "a MIDI file"},
    {0, 4, "GGUF", "a GGUF model"},
    {0, 4, "%PDF", "a PDF document"},
    {0, 4, "PK\x03\x04", "a ZIP archive"},
    {0, 2, "\x1f\x8b", "compressed with gzip"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "compressed with xz"},
    {0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd"},
    {0, 4,
     "\x7f"
     "ELF",
     "a program"},
};

/* Audio has zero bytes, or bytes of all kinds, early on. */
static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool blank = bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';
        if ((bytes[i] < ' ' && !blank) || bytes[i] == 0x7f)
            return false;
    }
    return size > 0 && bytes[0] < 0x80;
}

const char *sniff(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        const struct signature *s = &signatures[i];
        if (size >= s->at + s->size && memcmp(bytes + s->at, s->bytes, s->size) == 0)
            return s->name;
    }
    return is_text(bytes, size) ? "text" : NULL;
}
