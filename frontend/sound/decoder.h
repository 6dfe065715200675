// SPDX-License-Identifier: MIT
/*
 * Decoders: the bytes of a recording to interleaved PCM, block by block.
 *
 * A decoder reads its input once, from start to end. It resumes after damage and reports it. One
 * thread at a time for each decoder; the input must outlive it.
 */
#ifndef HEARKEN_FRONTEND_SOUND_DECODER_H
#define HEARKEN_FRONTEND_SOUND_DECODER_H

#include "frontend/sound/byte_input.h"
#include "frontend/sound/sound_track.h"

/* Lost audio is replaced by at most this much silence: a longer gap means a damaged timestamp. */
#define DECODER_LOST_SECONDS 60u

struct decoder_block {
    struct hearken_audio_format format; /* may differ from the last block's */
    const void *samples;                /* [frames, channels], valid until the next call */
    size_t frames;                      /* 0: the end */
    uint64_t lost;                      /* frames missing before these, if known; else 0 */
    const char *damage; /* the damage before these frames, or at the end; NULL: none */
    bool short_end;     /* with `damage`, at the end: the recording ends too early */
};

struct decoder;

struct decoder_class {
    /* Writes all of `block`. Returns 0, or a negative errno from the system. */
    int (*read)(struct decoder *decoder, struct decoder_block *block, struct hearken_error *error);
    void (*destroy)(struct decoder *decoder);
    /* NULL, or goes back to the first block where that is cheaper than to open the recording again;
     * false: it cannot. */
    bool (*rewind)(struct decoder *decoder);
};

/* The common first member of all decoders. */
struct decoder {
    const struct decoder_class *class;
    struct input *input;
    uint64_t start;  /* of the recording in the input, bytes */
    uint64_t end;    /* of the part that the library may read; 0: the input's end */
    double duration; /* seconds, as the input states them; negative: unknown */
    bool floats;     /* the recording holds floating point samples */
    /* NULL: there is one track, of which `container` and `codec` are known. */
    const struct sound_track *tracks; /* [track_count] */
    uint32_t track_count;
    const char *container; /* or NULL; live as long as the decoder */
    const char *codec;
};

/* For recordings that this library does not read. */
struct decoder_options {
    const char *program; /* path of hearken-decode, or NULL: they are refused */
    uint32_t track;      /* the audio track, counted from 1; 0: the one preferred, or the first */
};

/*
 * Creates the decoder for the recording at the input's position, after skipping junk. Linear PCM in
 * a WAV file streams through a pipe; for any other format the input is made regular. Errors:
 * -EINVAL if the input is no audio or an unsupported format, the system's, -ENOMEM.
 */
int decoder_open(struct input *input, const struct decoder_options *options,
                 struct decoder **decoder, struct hearken_error *error);

/* Headerless PCM of a valid format. */
int decoder_open_raw(struct input *input, const struct hearken_audio_format *format,
                     struct decoder **decoder, struct hearken_error *error);

void decoder_destroy(struct decoder *decoder);

/* ---- For decoder_open: the input is at the recording's start and, except for WAV, regular ---- */

struct wav_layout;
int decoder_open_wav(struct input *input, const struct wav_layout *layout, struct decoder **decoder,
                     struct hearken_error *error);
int decoder_open_flac(struct input *input, bool ogg, struct decoder **decoder,
                      struct hearken_error *error);
int decoder_open_ogg(struct input *input, struct decoder **decoder, struct hearken_error *error);

/* `certain`: it is known to be MP3; otherwise several frames in a row must prove it. */
int decoder_open_mp3(struct input *input, bool certain, struct decoder **decoder,
                     struct hearken_error *error);

/* With -EINVAL the message is libsndfile's own, without the input's name; -EDOM: a format out of
 * range. */
int decoder_open_sndfile(struct input *input, struct decoder **decoder,
                         struct hearken_error *error);

/* With -EINVAL the message is the program's, without the input's name; other errors are whole. */
int decoder_open_program(struct input *input, const struct decoder_options *options,
                         struct decoder **decoder, struct hearken_error *error);

/* The same with records (decode_stream.h) from a non-blocking descriptor, which is taken over: for
 * tests. */
int decoder_open_records(struct input *input, int records, struct decoder **decoder,
                         struct hearken_error *error);

/* ---- For decoders ---- */

/* Fails with -ENOMEM and the system's message. */
int decoder_fail_memory(const struct input *input, struct hearken_error *error);

/* 0, or -EINVAL with the value that is out of range. `input` may be NULL if `error` is. */
int decoder_check_format(const struct input *input, const struct hearken_audio_format *format,
                         struct hearken_error *error);

/*
 * Access to the input from `start` to `end`, for a library's callbacks. Reading fills `bytes`
 * unless the end or an error comes first. `whence` is SEEK_SET, SEEK_CUR or SEEK_END; seeking
 * returns the new position, or -1.
 */
size_t decoder_input_read(struct decoder *decoder, void *bytes, size_t size);
int64_t decoder_input_seek(struct decoder *decoder, int64_t offset, int whence);
int64_t decoder_input_tell(const struct decoder *decoder);

#endif
