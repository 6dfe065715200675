// SPDX-License-Identifier: MIT
#include "frontend/sound/sniff.h"

#include "include/internal/little_endian.h"

#include <stdio.h>
#include <string.h>

struct signature {
    size_t at, size;
    const char *bytes;
    const char *name;
    bool sound;
};

/* Formats that are not supported but often passed as audio files. */
static const struct signature signatures[] = {
    {4, 4, "ftyp", "an MP4 file (AAC or ALAC)", true},
    {4, 4, "moov", "a QuickTime file", true},
    {4, 4, "mdat", "a QuickTime file", true},
    {4, 4, "wide", "a QuickTime file", true},
    {0, 4, "\x1a\x45\xdf\xa3", "a Matroska or WebM file", true},
    {0, 4, "\x30\x26\xb2\x75", "a Windows Media file", true},
    {0, 5, "#!AMR", "an AMR file", true},
    {0, 4, "MAC ", "a Monkey's Audio file", true},
    {0, 4, "wvpk", "a WavPack file", true},
    {0, 4, "TTA1", "a True Audio file", true},
    {0, 4, "MPCK", "a Musepack file", true},
    {0, 4, "DSD ", "a DSD file", true},
    {0, 4, "FLV\x01", "a Flash video", true},
    {8, 4, "AVI ", "an AVI file", true},
    {0, 4, ".RMF", "a RealMedia file", true},
    {0, 4, "\0\0\1\xba", "an MPEG program stream", true},
    {0, 2, "\x0b\x77", "an AC-3 file", true},
    {0, 4, "ADIF", "AAC", true},
    {0, 4, "MThd", "a MIDI file", false},
    {0, 4, "GGUF", "a GGUF model", false},
    {0, 4, "%PDF", "a PDF document", false},
    {0, 4, "PK\x03\x04", "a ZIP archive", false},
    {0, 2, "\x1f\x8b", "compressed with gzip", false},
    {0, 6,
     "\xfd"
     "7zXZ",
     "compressed with xz", false},
    {0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd", false},
    {0, 4,
     "\x7f"
     "ELF",
     "a program", false},
};

struct codec {
    uint16_t tag; /* of WAV */
    const char *name;
};

/* RFC 2361 and what FFmpeg writes. */
static const struct codec wav_codecs[] = {
    {0x0022, "TrueSpeech"},
    {0x0042, "G.723.1"},
    {0x0045, "G.726"},
    {0x0050, "MPEG"},
    {0x0055, "MP3"},
    {0x0057, "AMR"},
    {0x0058, "AMR-WB"},
    {0x0064, "G.726"},
    {0x0083, "G.729"},
    {0x00ff, "AAC"},
    {0x0133, "G.729"},
    {0x0160, "Windows Media Audio"},
    {0x0161, "Windows Media Audio"},
    {0x0162, "Windows Media Audio"},
    {0x0270, "ATRAC3"},
    {0x1600, "AAC"},
    {0x1610, "AAC"},
    {0x2000, "AC-3"},
    {0x2001, "DTS"},
    {0x674f, "Vorbis"},
    {0xa106, "AAC"},
    {0xa109, "Speex"},
};

/* Audio has zeros or other control bytes within the first bytes. */
static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool blank = bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';
        if ((bytes[i] < ' ' && !blank) || bytes[i] == 0x7f)
            return false;
    }
    return size > 0 && bytes[0] < 0x80;
}

/* Packets of 188 bytes, each starting with the sync byte. */
static bool is_transport_stream(const uint8_t *bytes, size_t size)
{
    return size > 376 && bytes[0] == 0x47 && bytes[188] == 0x47 && bytes[376] == 0x47;
}

/* The sync word of MPEG audio with layer 0, which is ADTS. */
static bool is_aac(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0xff && (bytes[1] & 0xf6) == 0xf0;
}

static bool name_it(struct sniffed *sniffed, const char *name, bool sound)
{
    snprintf(sniffed->name, sizeof(sniffed->name), "%s", name);
    sniffed->sound = sound;
    return true;
}

bool sniff(const uint8_t *bytes, size_t size, struct sniffed *sniffed)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        const struct signature *s = &signatures[i];
        if (size >= s->at + s->size && memcmp(bytes + s->at, s->bytes, s->size) == 0)
            return name_it(sniffed, s->name, s->sound);
    }
    if (is_transport_stream(bytes, size))
        return name_it(sniffed, "an MPEG transport stream", true);
    if (is_aac(bytes, size))
        return name_it(sniffed, "AAC", true);
    return is_text(bytes, size) && name_it(sniffed, "text", false);
}

/* ---- Codecs ---- */

/* The body of the format chunk, or NULL if it is missing. */
static const uint8_t *find_format(const uint8_t *bytes, size_t size)
{
    if (size < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return NULL;
    const uint8_t *found = memmem(bytes + 12, size - 12, "fmt ", 4);
    return found && found + 10 <= bytes + size ? found + 8 : NULL;
}

static bool name_wav(const uint8_t *format, struct sniffed *sniffed)
{
    unsigned tag = load_u16(format);
    sniffed->sound = true;
    for (size_t i = 0; i < sizeof(wav_codecs) / sizeof(wav_codecs[0]); i++) {
        if (wav_codecs[i].tag == tag) {
            snprintf(sniffed->name, sizeof(sniffed->name), "%s in a WAV file", wav_codecs[i].name);
            return true;
        }
    }
    return false;
}

/* A CAF file begins with its description, where four letters name the codec. */
static bool name_caf(const uint8_t *bytes, struct sniffed *sniffed)
{
    char codec[5] = "";
    for (size_t i = 0; i < 4; i++)
        codec[i] = bytes[28 + i] >= ' ' && bytes[28 + i] <= '~' ? (char)bytes[28 + i] : '?';
    snprintf(sniffed->name, sizeof(sniffed->name), "'%s' in a CAF file", codec);
    sniffed->sound = true;
    return true;
}

bool sniff_codec(const uint8_t *bytes, size_t size, struct sniffed *sniffed)
{
    const uint8_t *format = find_format(bytes, size);
    if (format)
        return name_wav(format, sniffed);
    if (size >= 32 && memcmp(bytes, "caff", 4) == 0 && memcmp(bytes + 8, "desc", 4) == 0)
        return name_caf(bytes, sniffed);
    if (size < 4 || memcmp(bytes, "OggS", 4) != 0)
        return false;
    return name_it(sniffed, memmem(bytes, size, "Speex   ", 8) ? "Speex" : "an Ogg file", true);
}
