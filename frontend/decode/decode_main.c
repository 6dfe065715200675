// SPDX-License-Identifier: MIT
/*
 * hearken-decode [TRACK]: decodes the recording on standard input, a regular file, to records of
 * floats (decode_stream.h) on standard output, a pipe. The library starts it (decode_program.c) for
 * recordings that it cannot read itself, so that FFmpeg's libraries and foreign bytes meet in a
 * process that can do nothing else. It is not meant to be run by hand.
 */
#include "frontend/decode/media.h"
#include "frontend/decode/sandbox.h"
#include "frontend/sound/decode_stream.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* Records that are collected before they are written. */
struct output {
    uint8_t bytes[DECODE_SIZE_MAX + sizeof(struct decode_head)];
    size_t length;
    int result; /* of writing: 0, or the first negative errno */
};

static void flush(struct output *output)
{
    if (output->result == 0)
        output->result = write_all(STDOUT_FILENO, output->bytes, output->length);
    output->length = 0;
}

/* `size` is at most DECODE_SIZE_MAX. */
static void put(struct output *output, enum decode_record_type type, const void *bytes, size_t size)
{
    struct decode_head head = {.type = type, .size = (uint32_t)size};
    if (output->length + sizeof(head) + size > sizeof(output->bytes))
        flush(output);
    memcpy(output->bytes + output->length, &head, sizeof(head));
    if (size > 0)
        memcpy(output->bytes + output->length + sizeof(head), bytes, size);
    output->length += sizeof(head) + size;
}

static void put_tracks(struct output *output, const struct media *media)
{
    struct sound_track tracks[DECODE_TRACKS_MAX];
    size_t count = 0;
    while (count < DECODE_TRACKS_MAX && media_track(media, count, &tracks[count]))
        count++;
    put(output, DECODE_TRACKS, tracks, count * sizeof(tracks[0]));
}

static void put_damage(struct output *output, const struct media_block *block)
{
    struct decode_damage damage = {.lost = block->lost, .short_end = block->short_end};
    if (block->damage)
        snprintf(damage.reason, sizeof(damage.reason), "%s", block->damage);
    put(output, DECODE_DAMAGE, &damage, sizeof(damage));
}

static void put_samples(struct output *output, const struct media_block *block)
{
    size_t most = DECODE_SIZE_MAX / sizeof(float) / block->channels;
    for (size_t done = 0; done < block->frames && output->result == 0;) {
        size_t count = block->frames - done < most ? block->frames - done : most;
        put(output, DECODE_SAMPLES, block->samples + done * block->channels,
            count * block->channels * sizeof(float));
        done += count;
    }
}

static int decode(struct media *media, struct output *output)
{
    struct decode_format format = {0};
    struct media_block block;
    put_tracks(output, media);
    do {
        int result = media_read(media, &block);
        if (result < 0)
            return result;
        if (block.frames > 0 && (block.rate != format.rate || block.channels != format.channels)) {
            format = (struct decode_format){.rate = block.rate, .channels = block.channels};
            put(output, DECODE_FORMAT, &format, sizeof(format));
        }
        if (block.damage || block.lost > 0)
            put_damage(output, &block);
        if (block.frames > 0)
            put_samples(output, &block);
    } while (block.frames > 0 && output->result == 0);
    put(output, DECODE_END, NULL, 0);
    flush(output);
    return 0;
}

/* After each second of processor time: ends a decoder that nobody reads any more. Writing would end
 * it, too, but what loops does not write. */
static void on_timer(int number)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    (void)number;
    if (poll(&output, 1, 0) > 0 && (output.revents & POLLERR))
        _exit(EXIT_FAILURE);
}

static void watch_reader(void)
{
    const struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    const struct itimerval second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &second, NULL);
}

/* False: the process is of no use, or would not be safe. The output then has the reason. */
static bool prepare(struct stat *recording, struct output *output)
{
    char reason[128];
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
    if (fstat(STDIN_FILENO, recording) < 0 || !S_ISREG(recording->st_mode)) {
        fprintf(stderr, "hearken-decode: standard input is no regular file; hearken(1) starts this "
                        "program for recordings that need it\n");
        return false;
    }
    watch_reader();
    int result = sandbox_enter(STDIN_FILENO, STDOUT_FILENO);
    if (result == 0)
        return true;
    snprintf(reason, sizeof(reason), "hearken-decode cannot give up its rights: %s",
             strerror(-result));
    put(output, DECODE_FAILURE, reason, strlen(reason) + 1);
    flush(output);
    return false;
}

int main(int argc, char **argv)
{
    struct output *output = calloc(1, sizeof(*output));
    struct media *media;
    struct stat recording;
    char reason[256];
    unsigned track = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (!output || !prepare(&recording, output))
        return EXIT_FAILURE;
    int result = media_open(STDIN_FILENO, (uint64_t)recording.st_size, track, &media, reason,
                            sizeof(reason));
    if (result < 0) {
        put(output, DECODE_FAILURE, reason, strlen(reason) + 1);
    } else {
        result = decode(media, output);
        media_close(media);
    }
    flush(output);
    free(output);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
