// SPDX-License-Identifier: MIT
/*
 * Decoders: the bytes of a recording to interleaved PCM, block by block.
 *
 * A decoder goes through its input once, from front to back. It reads on behind damage and tells
 * of it. One thread at a time for each decoder; the input must outlive it.
 */
#ifndef HEARKEN_FRONTEND_SOUND_DECODER_H
#define HEARKEN_FRONTEND_SOUND_DECODER_H

#include "frontend/sound/byte_input.h"

/* More silence than this is not put in the place of what was lost: what says so is damaged too. */
#define DECODER_LOST_SECONDS 60u

struct decoder_block {
    struct hearken_audio_format format; /* may be another one than the last block's */
    const void *samples;                /* [frames, channels], until the next call */
    size_t frames;                      /* 0: the end */
    uint64_t lost;      /* frames that are missing in front of these, as far as that is known */
    const char *damage; /* what is wrong in front of these, or at the end; NULL: nothing */
    bool short_end;     /* with `damage`, at the end: it ends before it should */
};

struct decoder;

struct decoder_class {
    /* Writes all of `block`. Returns 0, or a negative errno from the system. */
    int (*read)(struct decoder *decoder, struct decoder_block *block, struct hearken_error *error);
    void (*destroy)(struct decoder *decoder);
};

/* What all have in front. */
struct decoder {
    const struct decoder_class *class;
    struct input *input;
    uint64_t start;  /* of the recording in the input */
    uint64_t end;    /* of what the library is to see of it; 0: the input's end */
    double duration; /* seconds, as the input states them; negative: not known */
    bool floats;     /* the recording holds floating point samples */
};

/*
 * Makes the decoder for what comes next in the input; junk in front of it is skipped. Linear PCM in
 * a WAV file streams through a pipe, anything else makes the input regular. Errors: -EINVAL for
 * what is no audio or is not read, the system's, -ENOMEM.
 */
int decoder_open(struct input *input, struct decoder **decoder, struct hearken_error *error);

/* Headerless PCM of a valid format. */
int decoder_open_raw(struct input *input, const struct hearken_audio_format *format,
                     struct decoder **decoder, struct hearken_error *error);

void decoder_destroy(struct decoder *decoder);

/* ---- For decoder_open: the input is where the recording begins, and regular but for WAV ---- */

struct wav_layout;
int decoder_open_wav(struct input *input, const struct wav_layout *layout, struct decoder **decoder,
                     struct hearken_error *error);
int decoder_open_flac(struct input *input, bool ogg, struct decoder **decoder,
                      struct hearken_error *error);
int decoder_open_ogg(struct input *input, struct decoder **decoder, struct hearken_error *error);

/* `certain`: it is known to be MP3; otherwise several frames in a row must prove it. */
int decoder_open_mp3(struct input *input, bool certain, struct decoder **decoder,
                     struct hearken_error *error);

/* -EINVAL has libsndfile's bare reason, without the input's name; -EDOM is a format out of range.
 */
int decoder_open_sndfile(struct input *input, struct decoder **decoder,
                         struct hearken_error *error);

/* ---- For decoders ---- */

/* The same for all: out of memory, in the words of the system. */
int decoder_fail_memory(const struct input *input, struct hearken_error *error);

/* 0, or -EINVAL with what is out of range. */
/* `input` may be NULL where there is no `error`. */
int decoder_check_format(const struct input *input, const struct hearken_audio_format *format,
                         struct hearken_error *error);

/*
 * The input from `start` to `end`, for the callbacks of a library. Reading fills all of
 * `bytes` but at the end; errors are the end. Seeking takes SEEK_SET, SEEK_CUR and SEEK_END and
 * returns the new place, or -1.
 */
size_t decoder_input_read(struct decoder *decoder, void *bytes, size_t size);
int64_t decoder_input_seek(struct decoder *decoder, int64_t offset, int whence);
int64_t decoder_input_tell(const struct decoder *decoder);

#endif
