// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_output.h"
#include "daemon/client/output/output.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_SAMPLES     1600u /* a tenth of a second */
#define WAIT_MILLISECONDS 100

struct record {
    struct hearken_capture_options capture;
    const char *output;
    unsigned seconds; /* 0: until a signal */
    bool meter, quiet;
};

#define FIELD(name) offsetof(struct record, name)

static const struct command_option record_options[] = {
    HEADING("Microphone"),
    STRING('d', "device", "DEVICE", FIELD(capture.device),
           "an index, a name or a part of one, as hearken devices lists them (default: the "
           "system's default)"),
    NUMBER('\0', "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX, FIELD(capture.rate),
           "frames per second to request from the device (default: its own); the recording has "
           "16000"),
    NUMBER('\0', "channels", 1, HEARKEN_CHANNELS_MAX, FIELD(capture.channels),
           "channels to request from the device (default: its own, at most 2); the recording is "
           "their mean"),

    HEADING("Recording"),
    PATH('o', "output", "FILE", FIELD(output),
         "write a WAV file (default: PCM without a header to standard output)"),
    NUMBER('s', "seconds", 1, 1000000, FIELD(seconds),
           "length of the recording (default: until interrupted)"),

    HEADING("Other"),
    FLAG('m', "meter", FIELD(meter), "show the level, if standard error is a terminal"),
    FLAG('q', "quiet", FIELD(quiet), "do not report events of the microphone"),
};

struct recording {
    const struct record *record;
    struct hearken_capture *capture;
    struct output output;
    SNDFILE *file; /* writes to `output` */
    bool has_samples;
    struct meter meter;
    sf_count_t length; /* samples so far */
    int signals;
};

static void on_event(void *context, const struct hearken_capture_event *event)
{
    struct recording *recording = context;
    char line[512];
    if (recording->record->quiet)
        return;
    capture_message(event, line, sizeof(line));
    meter_clear(&recording->meter);
    message_error(NULL, line);
}

static void on_log(void *context, enum hearken_log_level level, const char *message)
{
    const struct record *record = context;
    if (!record->quiet && level <= HEARKEN_LOG_WARNING)
        message_error(NULL, message);
}

static int open_output(struct recording *recording)
{
    const char *path = recording->record->output;
    int container = path ? SF_FORMAT_WAV : SF_FORMAT_RAW | SF_ENDIAN_LITTLE;
    SF_INFO info = {
        .samplerate = HEARKEN_RATE, .channels = 1, .format = container | SF_FORMAT_PCM_16};
    struct hearken_error error;
    int result = output_open(&recording->output, path, &error);
    if (result < 0) {
        message_error(NULL, error.message);
        return result;
    }
    errno = 0;
    recording->file = sf_open_fd(recording->output.file.descriptor, SFM_WRITE, &info, SF_FALSE);
    if (!recording->file) {
        message_error(recording->output.name, errno ? strerror(errno) : sf_strerror(NULL));
        output_discard(&recording->output);
        return -EIO;
    }
    sf_command(recording->file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    return 0;
}

/* Keeps what was recorded, even after a failure. */
static int close_output(struct recording *recording, int result)
{
    struct hearken_error error;
    errno = 0;
    if (sf_close(recording->file) != 0 && result == 0) {
        message_error(recording->output.name, errno ? strerror(errno) : "could not be completed");
        result = -EIO;
    }
    if (recording->has_samples) {
        int kept = output_commit(&recording->output, &error);
        if (kept < 0)
            message_error(NULL, error.message);
        return result < 0 ? result : kept;
    }
    output_discard(&recording->output);
    if (result == 0 && recording->record->output) {
        message_error(recording->output.name, "not written, as the microphone gave no audio");
        result = -ENODATA;
    }
    return result;
}

static size_t wanted_samples(const struct recording *recording)
{
    sf_count_t all = (sf_count_t)recording->record->seconds * HEARKEN_RATE;
    sf_count_t left = all - recording->length;
    return all == 0 || left > CHUNK_SAMPLES ? CHUNK_SAMPLES : (size_t)left;
}

static int write_samples(struct recording *recording, const float *samples, long count)
{
    errno = 0;
    sf_count_t written = sf_write_float(recording->file, samples, count);
    recording->has_samples |= written > 0;
    if (written == count)
        return 0;
    meter_clear(&recording->meter);
    message_error(recording->output.name, errno ? strerror(errno) : sf_strerror(recording->file));
    return -EIO;
}

/* Reads samples and writes them to the output. Returns their number; 0 after a timeout. */
static long copy_samples(struct recording *recording, int milliseconds)
{
    float samples[CHUNK_SAMPLES];
    struct hearken_error error;
    long count = hearken_capture_read(recording->capture, samples, wanted_samples(recording),
                                      milliseconds, &error);
    if (count < 0) {
        meter_clear(&recording->meter);
        message_error(NULL, error.message);
        return count;
    }
    int result = write_samples(recording, samples, count);
    recording->length += count;
    meter_update(&recording->meter, samples, (size_t)count,
                 (double)recording->length / HEARKEN_RATE);
    return result < 0 ? result : count;
}

/* Records until the signal, then what was captured before it and is still buffered. */
static int record_samples(struct recording *recording)
{
    long count = 0, buffered = (long)(recording->record->capture.buffer_seconds * HEARKEN_RATE);
    while (count >= 0 && wanted_samples(recording) > 0 && !signals_are_due(recording->signals))
        count = copy_samples(recording, WAIT_MILLISECONDS);
    while (count >= 0 && wanted_samples(recording) > 0 && buffered > 0) {
        count = copy_samples(recording, 0);
        if (count == 0)
            break;
        buffered -= count;
    }
    meter_clear(&recording->meter);
    return count < 0 ? (int)count : 0;
}

/* Opens the microphone first, so that no file is touched without one. */
static int record_to_output(struct recording *recording)
{
    struct hearken_error error;
    int result = hearken_capture_open(&recording->record->capture, on_event, recording,
                                      &recording->capture, &error);
    if (result < 0) {
        message_error(NULL, error.message);
        return result;
    }
    result = open_output(recording);
    if (result == 0)
        result = close_output(recording, record_samples(recording));
    hearken_capture_destroy(recording->capture);
    return result;
}

static int run_record(const struct command *command, int argc, char **argv)
{
    struct record record = {0};
    hearken_capture_options_init(&record.capture);
    int count = options_parse(command, argc, argv, &record);
    if (count < 0)
        return options_exit_code(count);
    if (record.output && strcmp(record.output, "-") == 0)
        record.output = NULL;
    if (!record.output && isatty(STDOUT_FILENO))
        return usage_error(command, "standard output is a terminal: specify --output");
    record.capture.log = on_log;
    record.capture.log_context = &record;
    struct recording recording = {.record = &record, .signals = signals_open()};
    if (recording.signals < 0) {
        message_error(NULL, strerror(-recording.signals));
        return EXIT_FAILED;
    }
    meter_init(&recording.meter, record.meter);
    int result = record_to_output(&recording);
    close(recording.signals);
    return result < 0 ? EXIT_FAILED : EXIT_GOOD;
}

const struct command record_command = {
    .name = "record",
    .operands = "",
    .summary = "Record from a microphone",
    .description = "The recording has 16000 samples per second, one channel and 16 bits, like the "
                   "input of the\nnetwork. Without --seconds it lasts until SIGINT (Ctrl-C), "
                   "SIGTERM or SIGHUP.\nIf the microphone is unplugged, the default one is used "
                   "until it is back.\n",
    .examples = "  hearken record -o memo.wav\n"
                "  hearken record --device usb --meter -o memo.wav\n"
                "  hearken record -s 10 | hearken transcribe --raw -\n",
    .options = record_options,
    .option_count = OPTION_COUNT(record_options),
    .run = run_record,
};
