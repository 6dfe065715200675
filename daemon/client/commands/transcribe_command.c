// SPDX-License-Identifier: MIT
#include "daemon/client/commands/batch.h"
#include "daemon/client/output/output.h"
#include "daemon/client/picture/picture_file.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/client/program/stream_settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct transcribe {
    struct address address;
    bool local;
    struct hearken_backend_options backend;

    bool raw;
    struct hearken_audio_format audio;
    unsigned sample_type;
    struct option_list channels; /* a number, for `audio`, or words */

    struct output_style style;
    const char *output, *output_directory;
    const char *attention; /* a file, or "-" */
    bool no_file_name, quiet;

    struct stream_arguments stream;
    unsigned parallel, track;
};

/* In the order of enum hearken_sample_type. */
static const char *const sample_types[] = {"u8", "s16", "s24", "s32", "f32", NULL};

#define FIELD(name) offsetof(struct transcribe, name)

static const struct command_option transcribe_options[] = {
    HEADING("Output"),
    CHOICE('f', "format", "FORMAT", output_format_names, FIELD(style.format),
           "text (default: one line per segment), json (one line per file: text, segments, words "
           "with times and confidence), srt or vtt (subtitles)"),
    FLAG('w', "words", FIELD(style.with_words),
         "text: one line per word: start, end, confidence, word, separated by tabs"),
    FLAG('\0', "no-filename", FIELD(no_file_name),
         "text of several files: do not start each line with the file's name"),
    PATH('o', "output", "FILE", FIELD(output), "write to FILE instead of standard output"),
    PATH('d', "output-directory", "DIR", FIELD(output_directory),
         "write one file per recording into DIR, with its name and the format's extension"),
    OPTIONAL_FILE('\0', "attention", "FILE.png|FILE.svg", picture_file_endings, FIELD(attention),
                  "draw the network's attention for each word; without a file, or with -: in the "
                  "terminal"),
    FLAG('q', "quiet", FIELD(quiet), "no progress on standard error"),

    HEADING("Recognition"),
    BEAM_OPTION,
    STRING('l', "language", "CODE", FIELD(stream.language),
           "the language of the recordings (de, en, ...), or auto to detect it (default: the "
           "daemon's)"),
    FLAG('\0', "translate", FIELD(stream.translate), "translate to English, with models that can"),
    STRING('\0', "prompt", "TEXT", FIELD(stream.prompt),
           "text assumed to precede the recording: gives names and spellings to expect"),
    LIST('\0', "channels", "mix|each|auto", FIELD(channels),
         "each: recognise each channel on its own, for recordings with one speaker per channel; "
         "auto: do so if they hold different sound; mix (default): mix them"),
    NUMBER('\0', "track", 1, 64, FIELD(track),
           "the track of sound to take, of files with several (default: the one that the file "
           "prefers); hearken sound lists them"),
    LIST('s', "set", "NAME=VALUE", FIELD(stream.settings),
         "a setting of [recognition] in hearkend.conf(5), for these recordings; may be repeated"),
    CUSTOM_WORD_OPTIONS,
    MODEL_OPTION('m'),
    NUMBER('j', "jobs", 1, 256, FIELD(parallel),
           "files recognised at the same time (default 1); does not change the order of results"),

    HEADING("Daemon"),
    SOCKET_OPTION,
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp),
           "the daemon's address, or that of any Wyoming speech-to-text server"),
    STRING('\0', "url", "URL", FIELD(address.url),
           "the address of a daemon that serves HTTP, or of any server with OpenAI's interface for "
           "transcriptions; a key for it is taken from $HEARKEN_API_KEY"),
    SECONDS(
        "timeout", FIELD(address.timeout),
        "give up if the daemon does not respond within this time (default 300, or four times the "
        "recording's length if that is more; 0: never)"),

    HEADING("Without a daemon"),
    FLAG('\0', "local", FIELD(local), "open the model in this process"),
    BACKEND_OPTIONS,
    STRING('\0', "cpu-mask", "LIST", FIELD(backend.cpu_mask),
           "instruction sets not to use, comma separated"),
    THREADS_OPTION,

    HEADING("Headerless audio"),
    FLAG('\0', "raw", FIELD(raw), "the files are interleaved little-endian PCM without a header"),
    NUMBER('\0', "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX, FIELD(audio.rate),
           "frames per second (default 16000)"),
    CHOICE('\0', "sample-type", "TYPE", sample_types, FIELD(sample_type),
           "u8, s16 (default), s24, s32 or f32; --channels N: how many it has (default 1)"),

    HEADING("Other"),
};

static bool is_subtitle(const struct transcribe *transcribe)
{
    return transcribe->style.format == OUTPUT_SRT || transcribe->style.format == OUTPUT_VTT;
}

static bool names_local_option(const struct transcribe *transcribe)
{
    return transcribe->backend.backend || transcribe->backend.plugin_directory ||
           transcribe->backend.cpu_mask || transcribe->backend.threads > 0;
}

static size_t count_standard_inputs(char *const *files)
{
    size_t count = 0;
    for (; *files; files++)
        count += strcmp(*files, "-") == 0;
    return count;
}

static bool has_empty_name(char *const *files)
{
    for (; *files; files++)
        if (!**files)
            return true;
    return false;
}

/* The message for conflicting options, or NULL. */
static const char *contradiction(const struct transcribe *transcribe, char *const *files)
{
    bool several = files[1];
    bool raw_default = transcribe->audio.rate == HEARKEN_RATE && transcribe->audio.channels == 1 &&
                       transcribe->sample_type == HEARKEN_SAMPLE_S16;
    size_t standard_inputs = count_standard_inputs(files);
    if (has_empty_name(files))
        return "expected FILE, got an empty argument";
    if (transcribe->output && transcribe->output_directory)
        return "--output and --output-directory: choose one";
    if (is_subtitle(transcribe) && several && !transcribe->output_directory)
        return "subtitles of several files: specify --output-directory";
    if (transcribe->style.with_words && transcribe->style.format != OUTPUT_TEXT)
        return "--words is for text; json always has the words";
    if (transcribe->attention && strcmp(transcribe->attention, "-") != 0 && several)
        return "--attention: expected one recording for a picture file";
    if (transcribe->attention && strcmp(transcribe->attention, "-") == 0 &&
        transcribe->style.format != OUTPUT_TEXT && !transcribe->output &&
        !transcribe->output_directory)
        return "--attention in the terminal needs text output, or specify --output";
    if (!transcribe->local && names_local_option(transcribe))
        return "--backend, --plugin-dir, --cpu-mask and --threads need --local; hearkend has "
               "them in its configuration";
    if (transcribe->local && address_is_set(&transcribe->address))
        return "--local needs no --socket, --tcp, --url or --timeout";
    if (transcribe->address.url && transcribe->attention)
        return "--attention: not with --url: the interface has no alignment";
    if (!transcribe->raw && !raw_default)
        return "--rate, --channels and --sample-type need --raw";
    if (standard_inputs > 1)
        return "- (standard input) can be read only once";
    if (standard_inputs == 1 && isatty(STDIN_FILENO))
        return "- (standard input) is a terminal: expected a recording";
    return NULL;
}

/* Checks that no result overwrites another one or a recording. */
static int check_outputs(const struct transcribe *transcribe, char *const *files, size_t count,
                         struct hearken_error *error)
{
    if (transcribe->output && transcribe->attention &&
        output_is_same(transcribe->output, transcribe->attention))
        return hearken_fail(error, -EEXIST, "--output and --attention name one file, %.300s",
                            transcribe->output);
    if (transcribe->output_directory)
        return output_names_check(transcribe->output_directory, transcribe->style.format, files,
                                  count, error);
    return transcribe->output ? output_file_check(transcribe->output, files, count, error) : 0;
}

static void print_warning(void *context, enum hearken_log_level level, const char *message)
{
    (void)context;
    if (level <= HEARKEN_LOG_WARNING)
        message_error(NULL, message);
}

static int run_local(struct transcribe *transcribe, struct batch_options *batch, char *const *files,
                     size_t count)
{
    struct hearken_error error;
    struct signals_default opening;
    transcribe->backend.log = print_warning;
    signals_default_begin(&opening);
    int result =
        local_create(transcribe->stream.model, &transcribe->backend, &batch->local, &error);
    signals_default_end(&opening);
    if (result < 0) {
        message_error(NULL, error.message);
        return EXIT_FAILED;
    }
    int code = batch_run(batch, files, count);
    local_destroy(batch->local);
    return code;
}

/* --channels is the number of headerless audio, or a word: what becomes of them. */
static int read_channels(struct transcribe *transcribe, const struct command *command)
{
    for (size_t i = 0; i < transcribe->channels.count; i++) {
        const char *value = transcribe->channels.items[i];
        if (*value && !strchr("0123456789", *value)) {
            transcribe->stream.channels = value;
            continue;
        }
        char *end;
        unsigned long number = strtoul(value, &end, 10);
        if (!*value || *end || number < 1 || number > HEARKEN_CHANNELS_MAX)
            return usage_error(command, "--channels %s: expected mix, each, auto or a number 1..%u",
                               value, HEARKEN_CHANNELS_MAX);
        transcribe->audio.channels = (uint32_t)number;
    }
    return EXIT_GOOD;
}

static int check_channels(const struct transcribe *transcribe,
                          const struct stream_settings *settings, const struct command *command)
{
    if (stream_settings_channels(settings) == HEARKEN_CHANNELS_MIX)
        return EXIT_GOOD;
    if (transcribe->attention)
        return usage_error(command, "--attention draws the channels mixed: not with --channels");
    return EXIT_GOOD;
}

static int run_transcribe(const struct command *command, int argc, char **argv)
{
    struct transcribe transcribe = {
        .audio = {.rate = HEARKEN_RATE, .channels = 1},
        .sample_type = HEARKEN_SAMPLE_S16,
        .parallel = 1,
    };
    char decoder[PATH_MAX];
    struct hearken_error error;
    hearken_backend_options_init(&transcribe.backend);
    int count = options_parse(command, argc, argv, &transcribe);
    if (count < 0)
        return options_exit_code(count);
    int code = read_channels(&transcribe, command);
    if (code != EXIT_GOOD)
        return code;
    if (transcribe.output && strcmp(transcribe.output, "-") == 0)
        transcribe.output = NULL;
    const char *problem = contradiction(&transcribe, argv);
    if (problem)
        return usage_error(command, "%s", problem);
    if (address_check(&transcribe.address, &error) < 0 ||
        check_outputs(&transcribe, argv, (size_t)count, &error) < 0)
        return usage_error(command, "%s", error.message);
    transcribe.audio.type = (enum hearken_sample_type)transcribe.sample_type;
    transcribe.style.with_file_name =
        count > 1 && !transcribe.no_file_name && !transcribe.output_directory;
    transcribe.style.on_terminal = !transcribe.output && isatty(STDOUT_FILENO);
    struct batch_options batch = {
        .address = transcribe.address,
        .style = transcribe.style,
        .output = transcribe.output,
        .output_directory = transcribe.output_directory,
        .parallel = transcribe.parallel,
        .attention = transcribe.attention,
        .quiet = transcribe.quiet,
    };
    hearken_source_options_init(&batch.source);
    batch.source.raw = transcribe.raw ? &transcribe.audio : NULL;
    batch.source.decoder = hearken_find_decoder(decoder, sizeof(decoder));
    batch.source.track = transcribe.track;
    code = stream_settings_read(&batch.settings, &transcribe.stream, command, transcribe.local);
    if (code == EXIT_GOOD)
        code = check_channels(&transcribe, &batch.settings, command);
    if (code == EXIT_GOOD && batch_check(&batch, &error) < 0) {
        message_error(NULL, error.message);
        code = EXIT_FAILED;
    }
    if (code == EXIT_GOOD && transcribe.local)
        code = run_local(&transcribe, &batch, argv, (size_t)count);
    else if (code == EXIT_GOOD)
        code = batch_run(&batch, argv, (size_t)count);
    stream_settings_finish(&batch.settings);
    return code;
}

const struct command transcribe_command = {
    .name = "transcribe",
    .operands = "FILE...",
    .operands_minimum = 1,
    .operands_maximum = INT_MAX,
    .summary = "Transcribe recordings",
    .description =
        "FILE is a recording of any rate and number of channels: WAV, FLAC, Ogg Vorbis and Opus,\n"
        "MP3 and what else libsndfile reads; with hearken-decode also MP4, M4A, WebM, Matroska,\n"
        "AAC, AMR, WMA and others, and the sound of videos. - is standard input. The daemon\n"
        "recognises it, or this process with --local. A file that fails is reported on standard\n"
        "error; the others are transcribed nevertheless.\n"
        "\n"
        "Exit status: 0 success, 1 a file failed, 2 the command line is wrong, 3 no daemon\n"
        "answers, 130 interrupted.\n",
    .examples = "  hearken transcribe meeting.flac\n"
                "  hearken transcribe -f srt -o film.srt film.wav\n"
                "  hearken transcribe -j 4 -f json interviews/*.mp3 > interviews.jsonl\n"
                "  hearken transcribe --track 2 talk.mkv\n"
                "  arecord -q -f S16_LE -r 16000 -t raw | hearken transcribe --raw -\n"
                "  hearken transcribe --attention talk.png talk.flac\n"
                "  hearken transcribe --channels each call.wav\n"
                "  hearken transcribe --local --backend reference speech.wav\n",
    .options = transcribe_options,
    .option_count = OPTION_COUNT(transcribe_options),
    .run = run_transcribe,
};
