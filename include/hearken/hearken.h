// SPDX-License-Identifier: MIT
/*
 * hearken: offline speech recognition with a listen-attend-spell network.
 *
 * A model is opened once, on a backend (a compute plugin). Any number of streams share it; each
 * takes samples of any rate and channel count and gives events: partial text, final text, end.
 *
 *     struct hearken_error error;
 *     struct hearken_model *model;
 *     if (hearken_model_open("hearken-en.gguf", NULL, &model, &error) < 0) {
 *         fprintf(stderr, "%s\n", error.message);
 *         return 1;
 *     }
 *     struct hearken_stream *stream;
 *     struct hearken_stream_options options;
 *     hearken_stream_options_init(&options);
 *     hearken_stream_create(model, &options, on_event, context, &stream, &error);
 *     hearken_stream_write(stream, samples, frames, &error);
 *     hearken_stream_finish(stream, &error);
 *     hearken_stream_destroy(stream);
 *     hearken_model_destroy(model);
 *
 * Conventions. Functions that can fail return 0 (or a count) or a negative errno; where they take a
 * struct hearken_error it may be NULL and is written only on failure. A destroy function accepts
 * NULL. Strings are UTF-8 unless they are paths. Times are seconds from the first sample of the
 * stream.
 */
#ifndef HEARKEN_H
#define HEARKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEARKEN_VERSION_MAJOR 0
#define HEARKEN_VERSION_MINOR 1
#define HEARKEN_VERSION_PATCH 0

#define HEARKEN_TEXT_(x) #x
#define HEARKEN_TEXT(x)  HEARKEN_TEXT_(x)

/* "0.1.0" */
#define HEARKEN_VERSION                                                                            \
    HEARKEN_TEXT(HEARKEN_VERSION_MAJOR)                                                            \
    "." HEARKEN_TEXT(HEARKEN_VERSION_MINOR) "." HEARKEN_TEXT(HEARKEN_VERSION_PATCH)

#if defined(__GNUC__)
#define HEARKEN_API __attribute__((visibility("default")))
#else
#define HEARKEN_API
#endif

/* HEARKEN_VERSION of the library that runs. */
HEARKEN_API const char *hearken_version(void);

/* What went wrong, in one line that names the thing and what was expected of it. */
struct hearken_error {
    char message[1024];
};

#if defined(__GNUC__)
#define HEARKEN_PRINTF(format_at, first) __attribute__((format(printf, format_at, first)))
#else
#define HEARKEN_PRINTF(format_at, first)
#endif

/* Writes the message if `error` is not NULL; returns `code`, so that it can stand behind return. */
HEARKEN_API int hearken_fail(struct hearken_error *error, int code, const char *format, ...)
    HEARKEN_PRINTF(3, 4);

/* ---- Log ---- */

enum hearken_log_level {
    HEARKEN_LOG_ERROR,
    HEARKEN_LOG_WARNING,
    HEARKEN_LOG_INFO,
    HEARKEN_LOG_DEBUG,
};

/* Takes one line without a newline; may be called from any thread that is inside a call of this
 * library, and from those of a stream that recognises a long recording. */
typedef void hearken_log_callback(void *context, enum hearken_log_level level, const char *message);

/* ---- Audio ---- */

enum hearken_sample_type {
    HEARKEN_SAMPLE_U8,  /* unsigned, 128 is silence */
    HEARKEN_SAMPLE_S16, /* little endian, like all that follow */
    HEARKEN_SAMPLE_S24, /* three bytes each */
    HEARKEN_SAMPLE_S32,
    HEARKEN_SAMPLE_F32, /* -1..1 */
};

/* Interleaved PCM. */
struct hearken_audio_format {
    uint32_t rate;     /* frames a second: HEARKEN_RATE_MIN..HEARKEN_RATE_MAX */
    uint32_t channels; /* 1..HEARKEN_CHANNELS_MAX */
    enum hearken_sample_type type;
};

#define HEARKEN_RATE_MIN     1000u
#define HEARKEN_RATE_MAX     768000u
#define HEARKEN_CHANNELS_MAX 64u

/* The rate at which the network listens. */
#define HEARKEN_RATE 16000u

/* Bytes of one frame (a sample for each channel); 0 if the format is not valid. */
HEARKEN_API size_t hearken_audio_frame_size(const struct hearken_audio_format *format);

/*
 * A recording, read as mono float at HEARKEN_RATE whatever it holds: WAV, FLAC, Ogg Vorbis, Opus
 * and FLAC, MP3, AIFF, AU, CAF and what else libsndfile reads; channels are mixed, the rate
 * converted. Files that were joined are read to the end of the last one. Damage does not end it:
 * what is before and behind is read, and a warning tells of it. A file that is very quiet
 * throughout is made louder. Not for use by two threads at once.
 */
struct hearken_source;

struct hearken_source_options {
    size_t struct_size;                     /* set by hearken_source_options_init */
    const struct hearken_audio_format *raw; /* of headerless PCM; NULL (default): the recording says
                                             * what it holds */
    const char
        *decoder;   /* path of hearken-decode, a program that is started for recordings in other
                     * formats (MP4, Matroska, AAC, AMR ...); NULL (default): they are refused
                     */
    uint32_t track; /* of those with several tracks of sound, counted from 1; 0 (default): the
                     * one that the file prefers, or the first */
};

/* Fills in the defaults. */
HEARKEN_API void hearken_source_options_init_sized(struct hearken_source_options *options,
                                                   size_t struct_size);
#define hearken_source_options_init(options)                                                       \
    hearken_source_options_init_sized((options), sizeof(struct hearken_source_options))

/* Where hearken-decode belongs, which need not be there: $HEARKEN_DECODER if it is set and not
 * empty, else the folder "hearken" beside the library. Returns `path`, or NULL if it does not fit.
 */
HEARKEN_API char *hearken_find_decoder(char *path, size_t size);

/*
 * Opens `path` ("-": standard input). `options` NULL: the defaults. Errors: -ENOENT and its like
 * from the system, -EINVAL for what is not audio or options out of range.
 */
HEARKEN_API int hearken_source_open(const char *path, const struct hearken_source_options *options,
                                    struct hearken_source **source, struct hearken_error *error);

/* Bytes of a recording that a program provides, perhaps while they still arrive. */
struct hearken_reader {
    void *context;
    /*
     * Copies 1..size bytes that begin at `offset` and waits until there is at least one. Returns
     * how many, 0 if the recording ends there, or a negative errno, which ends reading. Bytes may
     * be asked for again. Called in the thread that uses the source.
     */
    long (*read)(void *context, uint64_t offset, void *bytes, size_t size);
    /*
     * NULL, or gives a descriptor of a regular file with exactly these bytes, or a negative errno;
     * it stays the caller's. Saves a copy of what hearken-decode reads. Called after `read` has
     * come to the end.
     */
    int (*file)(void *context);
};

/* The same, of bytes from `reader`, whose context must outlive the source. `name` stands for the
 * recording in messages. Linear PCM is read while it arrives, everything else once it is there. */
HEARKEN_API int hearken_source_open_reader(const struct hearken_reader *reader, const char *name,
                                           const struct hearken_source_options *options,
                                           struct hearken_source **source,
                                           struct hearken_error *error);

/* Reads up to `count` samples; returns how many (0: the end), or a negative errno: the system's, if
 * it cannot read the file at all, or -ENOMEM. */
HEARKEN_API long hearken_source_read(struct hearken_source *source, float *samples, size_t count,
                                     struct hearken_error *error);

/*
 * Has the source give `channels` channels, interleaved, instead of mixing them; to be called before
 * the first read, with at least 2. hearken_source_read() then counts frames: `samples` is [count,
 * channels]. A part of the recording that has another number of channels is mixed, and is then in
 * each. Errors: -EINVAL for a number out of 2..HEARKEN_CHANNELS_MAX, or after a read; -ENOMEM.
 */
HEARKEN_API int hearken_source_separate(struct hearken_source *source, uint32_t channels,
                                        struct hearken_error *error);

/* The channels that the recording begins with. Reads the first block of a recording that has not
 * been read yet, so it may wait for a pipe. 0: there is nothing to read, or reading fails, as
 * hearken_source_read() will tell. */
HEARKEN_API uint32_t hearken_source_channels(struct hearken_source *source);

struct hearken_source_track {
    const char *container, *codec, *language; /* NULL: unknown; live as long as the source */
    double seconds;                           /* as the file states them; negative: unknown */
    uint32_t rate, channels;                  /* 0: unknown */
    bool chosen;                              /* this is the one that is read */
};

/* Track `index` of those with sound, counted from 0; false if there are no more. Reads the first
 * block of a recording that has not been read yet. */
HEARKEN_API bool hearken_source_track(struct hearken_source *source, size_t index,
                                      struct hearken_source_track *track);

/* Seconds as the file states them, or a negative number where it does not (a pipe). A hint, for
 * progress. */
HEARKEN_API double hearken_source_duration(const struct hearken_source *source);

/* How many times as loud as in the recording the samples are that are read: 1 but for recordings
 * that are very quiet throughout. */
HEARKEN_API float hearken_source_gain(const struct hearken_source *source);

/* What was found wrong with a recording that was read all the same. */
struct hearken_source_warning {
    const char *message; /* one line that names the recording and the second; lives as long as the
                          * source */
    double seconds;      /* where it begins, in what was read */
    bool lossy;          /* sound is missing; otherwise all there is was read */
};

/* Warning `index`, counted from 0; false if there are no more. Known when reading has come to the
 * end: one for all damage, one each for samples on a wrong scale and channels that cancel. */
HEARKEN_API bool hearken_source_warning(const struct hearken_source *source, size_t index,
                                        struct hearken_source_warning *warning);

HEARKEN_API void hearken_source_destroy(struct hearken_source *source);

/* How loud sound is: 1 is full scale for both. */
struct hearken_level {
    float rms;  /* root of the mean square */
    float peak; /* largest magnitude */
};

/* Of samples -1..1; 0 for none. */
HEARKEN_API void hearken_level_measure(const float *samples, size_t count,
                                       struct hearken_level *level);

/* ---- Capture ---- */

/* A device that gives sound. Strings live as long as the callback runs. */
struct hearken_device {
    unsigned index; /* may be another one when devices have come or gone */
    const char *name;
    const char *system; /* the sound system that it is reached through: "ALSA" … */
    uint32_t channels;  /* at most */
    uint32_t rate;      /* its own: frames a second */
    bool is_default;
};

typedef void hearken_device_callback(void *context, const struct hearken_device *device);

/* Tells of each device; returns how many. The callback must not call capture's functions. While a
 * capture runs in this process, they are those that there were when it last (re)started. Errors:
 * -EIO, when the sound system cannot be asked. */
HEARKEN_API long hearken_devices_list(hearken_device_callback *callback, void *context,
                                      struct hearken_error *error);

struct hearken_capture_options {
    size_t struct_size; /* set by hearken_capture_options_init */
    const char *device; /* NULL, "" or "default": the system's default; an index; a name, or a part
                         * of one in any case */
    uint32_t rate;      /* asked of the device, which may not have it; 0 (default): its own */
    uint32_t channels;  /* asked of the device, at most what it has; 0 (default): its own, but
                         * at most 2 */
    uint32_t frames; /* of the device between two deliveries, at most 65536; 0 (default): 20 ms */
    float buffer_seconds;      /* sound that is kept while nobody reads, 0.5..60; default 10 */
    hearken_log_callback *log; /* NULL: silent */
    void *log_context;
};

/* Fills in the defaults. `struct_size` is the caller's sizeof: later versions of the library may
 * add members at the end, and take a program that does not know them. */
HEARKEN_API void hearken_capture_options_init_sized(struct hearken_capture_options *options,
                                                    size_t struct_size);
#define hearken_capture_options_init(options)                                                      \
    hearken_capture_options_init_sized((options), sizeof(struct hearken_capture_options))

enum hearken_capture_event_type {
    HEARKEN_CAPTURE_STARTED,   /* the device asked for gives sound: told once, by the first read */
    HEARKEN_CAPTURE_LOST,      /* `device` gives no more sound, for `reason` */
    HEARKEN_CAPTURE_FELL_BACK, /* sound comes from the default, `device`, for want of the other */
    HEARKEN_CAPTURE_RETURNED,  /* the device asked for is back, and sound comes from it */
    HEARKEN_CAPTURE_OVERRUN,   /* sound was lost, for nobody read or the device was not served */
};

/* Everything in it lives until the callback returns. */
struct hearken_capture_event {
    enum hearken_capture_event_type type;
    const char *device;
    const char *reason;      /* in words; NULL but for LOST */
    uint32_t rate, channels; /* in which the device gives sound */
    uint64_t overruns;       /* times that sound was lost, since the capture was opened */
    double lost_seconds;     /* of sound that was lost for nobody read */
};

/* Called within hearken_capture_read, in its thread, in the place between the samples where it
 * happened (for overruns: near it). Must not call functions of the same capture but cancel. */
typedef void hearken_capture_callback(void *context, const struct hearken_capture_event *event);

/*
 * A microphone, read as mono float at HEARKEN_RATE. When its device is unplugged, is silent for a
 * second or stops for another reason, sound comes from the default device until it is back.
 * Between LOST and the next event there is none.
 *
 * May be used by one thread at a time; only cancel may come from another. A process has one capture
 * at a time, for PortAudio, which does the work, must be restarted to learn of new devices; so a
 * program must not use PortAudio beside it. docs/capture.md says how it goes about it.
 */
struct hearken_capture;

/* Sound is kept from now on. Errors: -EINVAL for an option out of range, -ENODEV for a device that
 * is not there, -EBUSY when there is another capture, -EIO for what the device does, -ENOMEM. */
HEARKEN_API int hearken_capture_open(const struct hearken_capture_options *options,
                                     hearken_capture_callback *callback, void *context,
                                     struct hearken_capture **capture, struct hearken_error *error);

/*
 * Reads up to `count` samples, as soon as there is one. Returns how many, or 0 when there was none
 * for `milliseconds` (negative: waits for ever). A change of devices may take longer than that.
 * Errors: -ECANCELED after cancel, -ENOMEM. Whatever happens to devices is no error but an event.
 */
HEARKEN_API long hearken_capture_read(struct hearken_capture *capture, float *samples, size_t count,
                                      int milliseconds, struct hearken_error *error);

/* From any thread, or a signal handler: a waiting read returns -ECANCELED soon, later ones at
 * once. */
HEARKEN_API void hearken_capture_cancel(struct hearken_capture *capture);

HEARKEN_API void hearken_capture_destroy(struct hearken_capture *capture);

/*
 * A spectrogram to look at: the strength of mel bands every 10 ms of mono sound at HEARKEN_RATE.
 * (What a network hears is computed with the window and the filters of its model file.) From any
 * number of threads at once.
 */
#define HEARKEN_SPECTROGRAM_HOP       160u /* samples from frame to frame */
#define HEARKEN_SPECTROGRAM_BANDS_MAX 128u

/* Frames of `count` samples, of which at least 400 are taken: max(count, 400) / 160. */
HEARKEN_API size_t hearken_spectrogram_frames(size_t count);

/* The centre frequency in Hz of band `band` < `bands`; from 0 Hz to 8 kHz, upwards. */
HEARKEN_API double hearken_spectrogram_frequency(uint32_t bands, uint32_t band);

/*
 * `samples` [count] to `out` [hearken_spectrogram_frames(count), bands]: log10 of power, -10 or
 * more. Errors: -EINVAL for `bands` out of 1..HEARKEN_SPECTROGRAM_BANDS_MAX, -ENOMEM.
 */
HEARKEN_API int hearken_spectrogram(const float *samples, size_t count, uint32_t bands, float *out,
                                    struct hearken_error *error);

/* ---- Plugins ---- */

struct hearken_backend_options {
    size_t struct_size;  /* set by hearken_backend_options_init */
    const char *backend; /* a plugin's name, or "auto" (NULL: the same): the highest score */
    const char *plugin_directory; /* NULL: $HEARKEN_PLUGIN_DIR if it is set and not empty, else
                                     the folder "hearken" beside the library */
    const char *cpu_mask;         /* instruction sets to withhold, comma separated, or NULL */
    unsigned threads;             /* for the kernels of one call; 0: the plugin's choice */
    hearken_log_callback *log;    /* NULL: silent */
    void *log_context;
};

/* Fills in the defaults: all NULL and 0. */
HEARKEN_API void hearken_backend_options_init_sized(struct hearken_backend_options *options,
                                                    size_t struct_size);
#define hearken_backend_options_init(options)                                                      \
    hearken_backend_options_init_sized((options), sizeof(struct hearken_backend_options))

/* What is known of one plugin file. Strings live as long as the callback runs. */
struct hearken_plugin_report {
    const char *path;
    const char *name;        /* NULL if it could not be loaded, or died of it */
    const char *description; /* NULL likewise */
    int score;               /* 0: cannot run here; negative: could not be loaded */
    const char *reason;      /* why, in words */
};

typedef void hearken_plugin_callback(void *context, const struct hearken_plugin_report *report);

/*
 * Has each plugin of the directory loaded and probed in a process of its own, and reports it, best
 * score first. Starts a program, hearken-probe, that lies in the folder "hearken" beside the
 * library; so does hearken_model_open(), unless what a plugin says is known from before.
 */
HEARKEN_API int hearken_plugins_list(const struct hearken_backend_options *options,
                                     hearken_plugin_callback *callback, void *context,
                                     struct hearken_error *error);

/* ---- Model ---- */

/* A model's weights on a backend. Shared by its streams; may be used by any number of threads. */
struct hearken_model;

/*
 * Opens a model file (GGUF of architecture "hearken-las", or whisper.cpp's ggml) on a backend
 * (`options` NULL: automatic). The file is read into memory, checked before use, and may change
 * afterwards. Errors: the system's for the file, -EINVAL for what is in it, -EIO for one that is
 * cut short or written to while it is read, -ENODEV where the backend named cannot run, -ENOMEM.
 */
HEARKEN_API int hearken_model_open(const char *path, const struct hearken_backend_options *options,
                                   struct hearken_model **model, struct hearken_error *error);

/* All its streams must be destroyed before. */
HEARKEN_API void hearken_model_destroy(struct hearken_model *model);

/* Where `hearken model get` keeps what it gets: the first folder of $HEARKEN_MODEL_PATH, else
 * /var/lib/hearken/models for root, else hearken/models in $XDG_DATA_HOME or ~/.local/share.
 * Returns `path`, or NULL if there is none or it does not fit. */
HEARKEN_API char *hearken_models_folder(char *path, size_t size);

/*
 * The file that `name` stands for. NULL or "": the default model that is installed with the
 * library, hearken-en. A NAME without '/', and without ".gguf" or ".bin" at its end: NAME.gguf or
 * NAME.bin in the folders of $HEARKEN_MODEL_PATH, NAME.gguf in the folder of models that came with
 * the library, or either in hearken_models_folder() and /var/lib/hearken/models; nowhere else,
 * whatever is here by that name. Anything else is a path and stays as it is. Whether there is such
 * a file, the opening tells. Returns `path`, or NULL if that does not fit into `size` bytes.
 */
HEARKEN_API char *hearken_find_model(const char *name, char *path, size_t size);

/* The codes of the languages that it writes, at least one; returns how many. */
HEARKEN_API size_t hearken_model_languages(const struct hearken_model *model,
                                           const char *const **codes);

/* Those of a model file, with commas between them, without opening it on a backend; cut where
 * `codes` [size] is full. Errors as hearken_model_open. */
HEARKEN_API int hearken_model_file_languages(const char *path, char *codes, size_t size,
                                             struct hearken_error *error);

/* These strings live as long as the model. */
HEARKEN_API const char *hearken_model_name(const struct hearken_model *model);
HEARKEN_API const char *hearken_model_description(const struct hearken_model *model);
HEARKEN_API const char *hearken_model_backend(const struct hearken_model *model);

/* One fact about a model file: an entry of its metadata (`type` "u32", "string" …) or a tensor
 * (`shape` not NULL). */
struct hearken_model_item {
    const char *name;
    const char *type;  /* of the value, or of the tensor's elements: "F32", "F16", "Q8_0" */
    const char *value; /* as text, long arrays shortened; NULL for a tensor */
    const char *shape; /* "512 x 80 x 3", outermost first; NULL for metadata */
    uint64_t bytes;    /* of a tensor */
};

typedef void hearken_model_item_callback(void *context, const struct hearken_model_item *item);

/* Tells what is in a GGUF file, metadata first, in the file's order; needs no backend. Errors as
 * hearken_model_open. */
HEARKEN_API int hearken_model_inspect(const char *path, hearken_model_item_callback *callback,
                                      void *context, struct hearken_error *error);

/* ---- Stream ---- */

enum hearken_event_type {
    HEARKEN_EVENT_PARTIAL, /* text of the segment so far; what is not committed may change, and ""
                              takes it back */
    HEARKEN_EVENT_FINAL,   /* text of a whole segment; sent for segments that hold text */
    HEARKEN_EVENT_END,     /* after the last final: nothing follows */
    HEARKEN_EVENT_VOICE_STARTED, /* somebody speaks from `start` = `end` on; if asked for */
    HEARKEN_EVENT_VOICE_STOPPED, /* nobody does from there on; before the final of what was said */
};

struct hearken_word {
    const char *text;  /* with its punctuation, no spaces */
    double start, end; /* seconds from the start of the stream; in a final text pauses belong to no
                        * word, in a partial one a word may last through them */
    float confidence;  /* 0..1: the geometric mean of its tokens' probabilities */
};

/* Where the speller listened: for each token a row of attention weights over the memory, averaged
 * over its heads. */
struct hearken_alignment {
    uint32_t tokens, steps;
    double start;             /* time of the first step */
    double step_seconds;      /* length of one */
    const char *const *texts; /* [tokens] */
    const float *weights;     /* [tokens, steps], rows sum to about 1 */
};

/* Everything in it lives until the callback returns. */
struct hearken_event {
    enum hearken_event_type type;
    double start, end; /* of the segment */
    const char *text;  /* "" for an end or voice event */
    float confidence;  /* 0..1: the geometric mean of the tokens' probabilities */
    /*
     * So many bytes at the start of `text`, whole words, stay as they are in all events of this
     * segment that follow; all of a final text. 0 if nothing is sure yet.
     */
    size_t committed;
    size_t word_count;
    const struct hearken_word *words;
    size_t committed_words; /* in `committed`; to the last one a mark may still be added */
    const struct hearken_alignment *alignment; /* NULL unless asked for */
    const char *language;       /* of the text: its code, "en"; "" where the model knows of none */
    float language_probability; /* that it is, if it was looked for in the sound; otherwise 0 */
    uint32_t channel; /* that was heard, counted from 1; 0: all channels mixed, or the only one */
    float no_speech_probability; /* of a text: the network's opinion that nobody speaks, 0..1 */
};

/* Called in the thread that writes to or finishes the stream; must not call functions of the same
 * stream but cancel. */
typedef void hearken_event_callback(void *context, const struct hearken_event *event);

enum hearken_task {
    HEARKEN_TRANSCRIBE,
    HEARKEN_TRANSLATE, /* to English; for models that have a token for it */
};

/* What becomes of the channels of interleaved sound. */
enum hearken_channels {
    HEARKEN_CHANNELS_MIX,  /* they are mixed */
    HEARKEN_CHANNELS_EACH, /* each is recognised on its own: a speaker a channel */
    HEARKEN_CHANNELS_AUTO, /* as EACH where they hold different sound, else mixed */
};

#define HEARKEN_CHANNELS_EACH_MAX 8u /* EACH takes no more */
#define HEARKEN_CHANNELS_AUTO_MAX 4u /* more are mixed */

/* Bytes of what is text in the options, its 0 included. */
#define HEARKEN_LANGUAGE_SIZE 16u
#define HEARKEN_PROMPT_SIZE   1024u
#define HEARKEN_SUPPRESS_SIZE 1024u

struct hearken_stream_options {
    size_t struct_size;                /* set by hearken_stream_options_init */
    struct hearken_audio_format audio; /* default: 16 kHz mono float */
    unsigned beam_width;               /* hypotheses kept, 1..16; default 4 */
    float length_penalty; /* a hypothesis scores log-probability / length^this; 0..2; default 1 */
    float ctc_weight; /* share of the CTC prefix score, 0..1, for models with a CTC head; default
                         0.3 */
    float padding; /* seconds of silence that are heard in full behind the speech, 0..30, by models
                      trained on windows; the rest of the window is heard as a few stand-ins.
                      Below 0 (-1, the default): as the model's file says, 1 where it does not;
                      30: all of it, as the model was trained */
    float segment_seconds;           /* longest segment, 2..28; default 28 */
    float no_speech_threshold;       /* the network's opinion that nobody speaks, 0..1: above
                                      * this, half the next suffices; default 0.6; 1: off */
    float log_probability_threshold; /* mean of a token below which text is taken for invented and
                                      * dropped, -100..0; default -0.9 */
    float compression_threshold; /* text that deflates by more than this factor is a loop, 1..1000;
                                  * default 2.4 */
    const char *custom_words;    /* names and rare words that are likelier than the network thinks:
                                  * UTF-8, a word or phrase a line, HEARKEN_CUSTOM_WORDS_MAX
                                  * of at most 100 bytes each;
                                  * only read while the stream is made, and ignored with
                                  * `timestamps`; NULL (default): none */
    float custom_words_boost;    /* log-probability that a text earns for each character of them,
                                  * 0..10; default 0.6 */
    float partial_seconds;       /* longest stretch of new sound without a partial update, 0..28; 0
                                    (default): none */
    float partial_share;         /* of a core, 0..1: sound that comes as it is spoken is looked at
                                  * more often where that takes no more; 0: by sound alone, and so
                                  * the same at every run; default 0.5 */
    bool alignment;              /* events carry the alignment; default false */
    bool voice;             /* recognise only what the model's voice network takes for speech, if it
                               has one; default true */
    float voice_threshold;  /* its probability at which speech begins, 0.05..0.95; default 0.5 */
    float pre_roll;         /* seconds before that which belong to the segment, 0..2; default 0.5 */
    float endpoint_seconds; /* silence that ends a segment, 0.1..10; default 0.6 */
    bool endpointing;       /* end segments so even without partial events: for a speaker who waits;
                               otherwise pauses up to 5 s do not part them. Default false */
    bool voice_events;      /* send the voice events; default false */

    /* For Whisper's models; docs/network.md has what each does. */
    char language[HEARKEN_LANGUAGE_SIZE]; /* spoken: a code, "de" or "de-AT"; "auto": found in the
                                           * sound; "" (default): the one the model file says */
    unsigned task;                        /* enum hearken_task; default HEARKEN_TRANSCRIBE */
    bool timestamps;    /* the model writes times, at which final texts are parted; only without
                         * partial events; default false */
    bool previous_text; /* each text follows on what was said before; default false */
    char prompt[HEARKEN_PROMPT_SIZE]; /* what all texts follow on: names, spellings, a style; as
                                       * much of its end as has room; default "" */
    char suppress_tokens[HEARKEN_SUPPRESS_SIZE]; /* never written: token ids with commas between
                                                  * them, -1 for the model's own list; default
                                                  * "-1" */
    bool suppress_blank;    /* texts begin with no space alone, nor end at once; default true */
    float temperature_step; /* text that is taken for invented or a loop is written again by
                             * chance, with temperatures of 1, 2, ... of these up to 1; 0..1, 0
                             * (default): it is not */
    unsigned seed;          /* of that chance: the same gives the same text; default 0 */
    bool exact;             /* as Whisper's authors do it: silence up to the full window, and
                             * nothing but the length limits a text; default false */

    unsigned channels; /* enum hearken_channels; default HEARKEN_CHANNELS_MIX. With the others, what
                        * a channel has of what another one holds louder at that time is left out;
                        * events come in the order in which segments end */
};

/* Fills in the defaults. */
HEARKEN_API void hearken_stream_options_init_sized(struct hearken_stream_options *options,
                                                   size_t struct_size);
#define hearken_stream_options_init(options)                                                       \
    hearken_stream_options_init_sized((options), sizeof(struct hearken_stream_options))

enum hearken_option_type {
    HEARKEN_OPTION_NUMBER, /* float */
    HEARKEN_OPTION_COUNT,  /* unsigned */
    HEARKEN_OPTION_SWITCH, /* bool */
    HEARKEN_OPTION_CHOICE, /* unsigned: an index of `choices` */
    HEARKEN_OPTION_TEXT,   /* char [size], its 0 included */
};

/* One member of struct hearken_stream_options, for programs that let their users set it. */
struct hearken_option {
    const char *name; /* the member's */
    enum hearken_option_type type;
    size_t offset, size;        /* of the member, in bytes */
    double minimum, maximum;    /* of all but texts */
    const char *const *choices; /* NULL after the last; of other types NULL */
    double standard;            /* the default of all but texts */
    const char *standard_text; /* the default as a user would write it: "0.6", "on", "transcribe" */
    const char *meaning;       /* of an empty default, in words; NULL if it is not empty */
    const char *help;          /* sentences for the user */
};

/*
 * Option `index`, counted from 0; NULL past the last one. They are all members of struct
 * hearken_stream_options but `audio`, `custom_words`, `alignment` and `voice_events`, which depend
 * on what a program does. From any thread.
 */
HEARKEN_API const struct hearken_option *hearken_stream_option(size_t index);

/* The option whose name is the first `length` bytes of `name`, or NULL. From any thread. */
HEARKEN_API const struct hearken_option *hearken_stream_option_find(const char *name,
                                                                    size_t length);

#define HEARKEN_CUSTOM_WORDS_MAX 2000u

/* How many words a list of custom words holds. Errors: -EINVAL with the line and what is wrong with
 * it, if a stream would not take the list. */
HEARKEN_API int hearken_custom_words_check(const char *text, struct hearken_error *error);

/* One recording or one speaker. May be used by one thread at a time; only cancel may come from
 * another. With more than a minute or so of a recording, it starts threads of its own that
 * recognise several segments at the same time; events still come in order and in the caller's
 * thread. */
struct hearken_stream;

/* Errors: -EINVAL for an option out of range, or one that the model cannot do (named), -ENOMEM, or
 * the backend's. */
HEARKEN_API int hearken_stream_create(struct hearken_model *model,
                                      const struct hearken_stream_options *options,
                                      hearken_event_callback *callback, void *context,
                                      struct hearken_stream **stream, struct hearken_error *error);

/*
 * Takes `frames` frames of PCM in the stream's format and recognises the segments that are
 * complete; so it may take a while. Samples that are not finite count as silence. Errors:
 * -ECANCELED after cancel, -EINVAL after finish, -ENOMEM, or the backend's; the stream is then good
 * for destroy only.
 */
HEARKEN_API int hearken_stream_write(struct hearken_stream *stream, const void *samples,
                                     size_t frames, struct hearken_error *error);

/*
 * The sound is of somebody who speaks now, and so many seconds of it wait to be written. While
 * there is more than half a second, partial text is left out: it would be late, and delay what
 * follows. From the thread that uses the stream, before a write.
 */
HEARKEN_API void hearken_stream_set_waiting(struct hearken_stream *stream, double seconds);

/*
 * Whether somebody waits for each text, as one who speaks does. The streams of a model share its
 * encoders, and step their spellers together; urgent ones wait only for each other. The
 * texts are the same. Until this is called, a stream with partial_seconds or endpointing is urgent;
 * one that recognises several segments at the same time no longer is, whatever is called. From the
 * thread that uses the stream, before a write or finish.
 */
HEARKEN_API void hearken_stream_set_urgent(struct hearken_stream *stream, bool is_urgent);

/*
 * A time between segments, in seconds: all events of those before it have been sent, and none of
 * those behind it. 0 where there is none, or each event depends on those before it
 * (partial_seconds, voice_events, previous_text, language "auto"). From the thread that uses the
 * stream, after a write.
 */
HEARKEN_API double hearken_stream_border(const struct hearken_stream *stream);

/*
 * For a stream of the same sound, model and options as an earlier one, before the first write:
 * leaves out what is before `seconds`, a border of the earlier one. The sound is written from its
 * start, since where segments begin depends on all before them, but only those behind are
 * recognised; their events are the same as those of a stream that was not interrupted. Errors:
 * -EINVAL after a write, for a negative time, or where texts depend on those before them.
 */
HEARKEN_API int hearken_stream_resume(struct hearken_stream *stream, double seconds,
                                      struct hearken_error *error);

/* No more samples: recognises the rest and sends the end event. Errors as for write. */
HEARKEN_API int hearken_stream_finish(struct hearken_stream *stream, struct hearken_error *error);

/* From any thread, though not from a signal handler: a running write or finish returns -ECANCELED
 * soon, later ones at once. No end event is sent. */
HEARKEN_API void hearken_stream_cancel(struct hearken_stream *stream);

/* Statistics of partial texts, for tuning and monitoring. */
struct hearken_stream_counters {
    uint64_t partial_updates;
    uint64_t partial_skipped; /* that would have taken longer than the sound they were about */
    double partial_seconds;   /* spent on them, of a monotonic clock */
    uint64_t early_finals;    /* texts that were ready when their segment ended */
};

/* From the thread that uses the stream. */
HEARKEN_API void hearken_stream_count(const struct hearken_stream *stream,
                                      struct hearken_stream_counters *counters);

HEARKEN_API void hearken_stream_destroy(struct hearken_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
