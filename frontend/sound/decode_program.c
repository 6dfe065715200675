// SPDX-License-Identifier: MIT
/*
 * Recordings that no library of ours reads, decoded by hearken-decode in a process of its own: that
 * has the recording as its standard input and writes records (decode_stream.h). Neither side trusts
 * the recording, and this one does not trust what it is sent.
 */
#include "frontend/sound/decode_stream.h"
#include "frontend/sound/decoder.h"
#include "include/internal/child_process.h"
#include "include/internal/library_folder.h"
#include "include/internal/monotonic_clock.h"
#include "include/internal/unlinked_file.h"
#include "include/internal/utf8.h"
#include "include/internal/write_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Processor time that the program may have: so much, and this share of the sound that it gave. */
#define PROCESSOR_SECONDS 10.0
#define PROCESSOR_SHARE   0.25

/* Longest time without a byte. A disk may sleep, or a file lie on the network. */
#define SILENT_SECONDS 120.0

/* How often a reader is asked whether the recording is still wanted. */
#define TICK_MILLISECONDS 10

/* Silence for gaps, all together: more is the work of a damaged file. */
#define GAPS_SECONDS 86400u

/* Some seconds of sound: a look at how loud a recording is seldom takes more. */
#define KEPT_BYTES ((size_t)4 << 20)

#define PIPE_BYTES (1 << 20)
#define COPY_BYTES 65536u

struct program {
    struct decoder base;
    pid_t pid; /* 0: the records come from elsewhere */
    int pipe;
    struct hearken_audio_format format; /* rate 0: none yet */
    double seconds;                     /* of sound that came */
    double gaps;                        /* seconds that were filled */
    bool ended;
    /* What was read, from the start on, for rewind(); NULL: not kept any more. */
    uint8_t *kept; /* [KEPT_BYTES] */
    size_t kept_size, kept_at;
    bool replays;                /* from kept_at on */
    const char *failure;         /* of the program, at which it was ended; or NULL */
    struct decode_damage damage; /* of the next block */
    struct sound_track *tracks;  /* [base.track_count] */
    _Alignas(float) uint8_t payload[DECODE_SIZE_MAX];
};

/* ---- Starting ---- */

char *hearken_find_decoder(char *path, size_t size)
{
    const char *variable = secure_getenv("HEARKEN_DECODER");
    int length = -1;
    if (variable && *variable) {
        length = snprintf(path, size, "%s", variable);
    } else {
        char *folder = library_folder();
        if (folder)
            length = snprintf(path, size, "%s/hearken/hearken-decode", folder);
        free(folder);
    }
    return length >= 0 && (size_t)length < size ? path : NULL;
}

/* Copies what a reader has to a file without a name. */
static int copy_reader(struct input *input, struct hearken_error *error)
{
    int file = unlinked_file_open();
    uint8_t *block = malloc(COPY_BYTES);
    int result = file < 0 ? file : block ? input_seek(input, 0, error) : -ENOMEM;
    long count = 0;
    while (result == 0 && (count = input_read(input, block, COPY_BYTES, error)) > 0)
        result = write_all(file, block, (size_t)count);
    free(block);
    if (result == 0 && count == 0)
        return file;
    if (file >= 0)
        close(file);
    return count < 0 ? (int)count
                     : hearken_fail(error, result, "%s: cannot be copied to a temporary file: %s",
                                    input->name, strerror(-result));
}

/* A descriptor of the whole recording, which the caller closes. */
static int recording_of(struct input *input, struct hearken_error *error)
{
    int descriptor = input->fd;
    if (input->reader.read && !input->reader.file)
        return copy_reader(input, error);
    if (input->reader.read)
        descriptor = input->reader.file(input->reader.context);
    int copy = descriptor < 0 ? descriptor : child_descriptor(descriptor);
    return copy >= 0 ? copy : hearken_fail(error, copy, "%s: %s", input->name, strerror(-copy));
}

static int start(struct program *program, const struct decoder_options *options,
                 struct hearken_error *error)
{
    struct input *input = program->base.input;
    char track[16];
    int ends[2];
    int recording = recording_of(input, error);
    if (recording < 0)
        return recording;
    snprintf(track, sizeof(track), "%u", (unsigned)options->track);
    char *const arguments[] = {(char *)options->program, track, NULL};
    int result = child_open_pipe(ends);
    int descriptors[] = {child_descriptor(recording), ends[1], -1};
    if (result == 0 && descriptors[0] < 0)
        result = descriptors[0];
    if (result == 0)
        result = child_start(&program->pid, arguments, descriptors, 3);
    close(recording);
    if (descriptors[0] >= 0)
        close(descriptors[0]);
    if (result < 0) {
        child_close_pipe(ends);
        return hearken_fail(error, result, "%s: %s", options->program, strerror(-result));
    }
    close(ends[1]);
    program->pipe = ends[0];
    fcntl(program->pipe, F_SETPIPE_SZ, PIPE_BYTES); /* fewer changes of process; or not */
    return 0;
}

/* ---- Reading records ---- */

/* Processor time of the program, in seconds. */
static double processor_time(const struct program *program)
{
    struct timespec time;
    clockid_t clock;
    if (program->pid == 0 || clock_getcpuclockid(program->pid, &clock) != 0 ||
        clock_gettime(clock, &time) < 0)
        return 0; /* it has ended */
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Whether it costs more than it should, or is of no use any more. */
static int check(struct program *program, double since)
{
    const struct input *input = program->base.input;
    uint8_t byte;
    if (processor_time(program) > PROCESSOR_SECONDS + PROCESSOR_SHARE * program->seconds)
        program->failure = "decoding it takes too long";
    else if (clock_seconds() - since > SILENT_SECONDS)
        program->failure = "the decoder hangs";
    if (program->failure)
        return -EINVAL;
    if (!input->reader.read)
        return 0;
    long count = input->reader.read(input->reader.context, 0, &byte, 1);
    return count < 0 ? (int)count : 0;
}

static void forget(struct program *program)
{
    free(program->kept);
    program->kept = NULL;
    program->replays = false;
}

/* As read(). */
static ssize_t read_some(struct program *program, uint8_t *bytes, size_t size)
{
    if (program->replays) {
        size_t left = program->kept_size - program->kept_at;
        size = size < left ? size : left;
        memcpy(bytes, program->kept + program->kept_at, size);
        program->kept_at += size;
        if (program->kept_at == program->kept_size)
            forget(program);
        return (ssize_t)size;
    }
    ssize_t count = read(program->pipe, bytes, size);
    if (count <= 0 || !program->kept)
        return count;
    if ((size_t)count > KEPT_BYTES - program->kept_size) {
        forget(program);
        return count;
    }
    memcpy(program->kept + program->kept_size, bytes, (size_t)count);
    program->kept_size += (size_t)count;
    return count;
}

/* Returns 1, 0 at the end of the pipe before the first byte, or a negative errno; -EPIPE if it ends
 * within. */
static int read_exactly(struct program *program, void *bytes, size_t size)
{
    double since = clock_seconds();
    size_t done = 0;
    while (done < size) {
        ssize_t count = read_some(program, (uint8_t *)bytes + done, size - done);
        if (count == 0)
            return done == 0 ? 0 : -EPIPE;
        if (count > 0) {
            done += (size_t)count;
            since = clock_seconds();
        } else if (errno == EAGAIN) {
            struct pollfd wanted = {.fd = program->pipe, .events = POLLIN};
            int result = poll(&wanted, 1, TICK_MILLISECONDS) == 0 ? check(program, since) : 0;
            if (result < 0)
                return result;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 1;
}

/* The next record, its bytes in `payload`. Returns 1, or 0 where the stream ends or makes no
 * sense, which is then the failure; a negative errno where the recording is not wanted any more. */
static int read_record(struct program *program, struct decode_head *head)
{
    int result = read_exactly(program, head, sizeof(*head));
    if (result > 0 && head->size > DECODE_SIZE_MAX)
        program->failure = "the decoder makes no sense";
    else if (result > 0 && head->size > 0)
        result = read_exactly(program, program->payload, head->size);
    if (program->failure)
        return 0;
    if (result == -EPIPE || result == 0)
        program->failure = "the decoder died";
    return result == -EPIPE ? 0 : result;
}

/* A record that the program must send whole. */
static bool take(struct program *program, const struct decode_head *head, void *out, size_t size)
{
    if (head->size != size) {
        program->failure = "the decoder makes no sense";
        return false;
    }
    memcpy(out, program->payload, size);
    return true;
}

static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    utf8_clean(text);
}

/* ---- Tracks ---- */

static int use_tracks(struct program *program, const struct decode_head *head)
{
    size_t count = head->size / sizeof(struct sound_track);
    if (count == 0 || count > DECODE_TRACKS_MAX || head->size % sizeof(struct sound_track) != 0) {
        program->failure = "the decoder makes no sense";
        return 0;
    }
    program->tracks = malloc(head->size);
    if (!program->tracks)
        return -ENOMEM;
    memcpy(program->tracks, program->payload, head->size);
    program->base.tracks = program->tracks;
    program->base.track_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct sound_track *track = &program->tracks[i];
        clean(track->container, sizeof(track->container));
        clean(track->codec, sizeof(track->codec));
        clean(track->language, sizeof(track->language));
        if (!(track->seconds >= 0 && track->seconds < 1e9))
            track->seconds = -1;
        if (track->chosen)
            program->base.duration = track->seconds;
    }
    return 0;
}

/* ---- Sound ---- */

static void use_format(struct program *program, const struct decode_head *head)
{
    struct decode_format format;
    if (!take(program, head, &format, sizeof(format)))
        return;
    program->format = (struct hearken_audio_format){
        .rate = format.rate, .channels = format.channels, .type = HEARKEN_SAMPLE_F32};
    if (decoder_check_format(NULL, &program->format, NULL) < 0)
        program->failure = "the decoder makes no sense";
}

static void use_samples(struct program *program, const struct decode_head *head,
                        struct decoder_block *block)
{
    size_t frame = program->format.rate > 0 ? hearken_audio_frame_size(&program->format) : 0;
    if (frame == 0 || head->size % frame != 0) {
        program->failure = "the decoder makes no sense";
        return;
    }
    block->format = program->format;
    block->samples = program->payload;
    block->frames = head->size / frame;
    double left = (GAPS_SECONDS - program->gaps) * program->format.rate;
    block->lost = (double)program->damage.lost < left ? program->damage.lost : 0;
    program->damage.lost = 0;
    program->gaps += (double)block->lost / program->format.rate;
    program->seconds += (double)block->frames / program->format.rate;
    if (program->damage.reason[0])
        block->damage = program->damage.reason;
}

static void use_damage(struct program *program, const struct decode_head *head)
{
    if (take(program, head, &program->damage, sizeof(program->damage)))
        clean(program->damage.reason, sizeof(program->damage.reason));
}

static void end_with(struct decoder_block *block, const char *damage, bool short_end)
{
    *block = (struct decoder_block){.damage = damage, .short_end = short_end};
}

static int read_block(struct decoder *decoder, struct decoder_block *block,
                      struct hearken_error *error)
{
    struct program *program = (struct program *)decoder;
    struct decode_head head;
    *block = (struct decoder_block){0};
    program->damage.reason[0] = '\0';
    while (block->frames == 0 && !program->ended && !program->failure) {
        int result = read_record(program, &head);
        if (result < 0)
            return hearken_fail(error, result, "%s: %s", decoder->input->name, strerror(-result));
        if (program->failure)
            break;
        if (head.type == DECODE_FORMAT)
            use_format(program, &head);
        else if (head.type == DECODE_SAMPLES)
            use_samples(program, &head, block);
        else if (head.type == DECODE_DAMAGE)
            use_damage(program, &head);
        else
            program->ended = true;
    }
    if (program->failure)
        end_with(block, program->failure, true);
    else if (block->frames == 0 && program->damage.reason[0])
        end_with(block, program->damage.reason, program->damage.short_end == 1);
    return 0;
}

static void destroy(struct decoder *decoder)
{
    struct program *program = (struct program *)decoder;
    if (program->pid > 0)
        child_end(program->pid);
    if (program->pipe >= 0)
        close(program->pipe);
    free(program->tracks);
    free(program->kept);
    free(program);
}

/* Starting the program again would take as long as decoding some minutes. */
static bool rewind_program(struct decoder *decoder)
{
    struct program *program = (struct program *)decoder;
    if (!program->kept || program->failure)
        return false;
    program->replays = program->kept_size > 0;
    program->kept_at = 0;
    program->ended = false;
    program->format = (struct hearken_audio_format){0};
    program->damage = (struct decode_damage){0};
    program->seconds = program->gaps = 0;
    return true;
}

static const struct decoder_class class = {
    .read = read_block, .destroy = destroy, .rewind = rewind_program};

/* The first record says what there is, or why there is nothing. */
static int read_tracks(struct program *program, struct hearken_error *error)
{
    struct decode_head head = {0};
    int result = read_record(program, &head);
    if (result < 0)
        return hearken_fail(error, result, "%s: %s", program->base.input->name, strerror(-result));
    if (!program->failure && head.type == DECODE_TRACKS)
        result = use_tracks(program, &head);
    else if (!program->failure && head.type != DECODE_FAILURE)
        program->failure = "the decoder makes no sense";
    if (result < 0)
        return decoder_fail_memory(program->base.input, error);
    if (program->failure)
        return hearken_fail(error, -EINVAL, "%s", program->failure);
    if (head.type == DECODE_TRACKS)
        return 0;
    char *reason = (char *)program->payload;
    clean(reason, head.size > 0 ? head.size : 1);
    return hearken_fail(error, -EINVAL, "%.200s", *reason ? reason : "the decoder says nothing");
}

static struct program *create(struct input *input)
{
    struct program *program = calloc(1, sizeof(*program));
    if (!program)
        return NULL;
    program->base = (struct decoder){.class = &class, .input = input, .duration = -1};
    program->pipe = -1;
    return program;
}

/* The program, or whoever writes the records, is there. */
static int open_records(struct program *program, struct decoder **decoder,
                        struct hearken_error *error)
{
    int result = read_tracks(program, error);
    if (result < 0) {
        destroy(&program->base);
        return result;
    }
    program->kept = malloc(KEPT_BYTES); /* without memory it is started again */
    *decoder = &program->base;
    return 0;
}

int decoder_open_program(struct input *input, const struct decoder_options *options,
                         struct decoder **decoder, struct hearken_error *error)
{
    struct program *program = create(input);
    if (!program)
        return decoder_fail_memory(input, error);
    int result = start(program, options, error);
    if (result == 0)
        return open_records(program, decoder, error);
    destroy(&program->base);
    return result;
}

int decoder_open_records(struct input *input, int records, struct decoder **decoder,
                         struct hearken_error *error)
{
    struct program *program = create(input);
    if (!program) {
        close(records);
        return decoder_fail_memory(input, error);
    }
    program->pipe = records;
    return open_records(program, decoder, error);
}
