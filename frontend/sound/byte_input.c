// SPDX-License-Identifier: MIT
#include "frontend/sound/byte_input.h"

#include "include/internal/unlinked_file.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPOOL_BLOCK 65536u

/* Bytes that one input_look() reads at most: enough to detect a file's format. */
#define HEAD_BLOCK 4096u

/* Truncates a long path at its front, so that the message keeps room for the error. */
static void set_name(struct input *input, const char *path)
{
    size_t length = strlen(path);
    if (strcmp(path, "-") == 0) {
        snprintf(input->name, sizeof(input->name), "standard input");
    } else if (length < sizeof(input->name)) {
        memcpy(input->name, path, length + 1);
    } else {
        const char *end = path + length - (sizeof(input->name) - 4);
        while ((*end & 0xC0) == 0x80) /* not into a UTF-8 sequence */
            end++;
        snprintf(input->name, sizeof(input->name), "...%s", end);
    }
}

static int fail_system(const struct input *input, int code, struct hearken_error *error)
{
    return hearken_fail(error, -code, "%s: %s", input->name, strerror(code));
}

/* Rejects directories and terminals, and finds out whether the input can be sought. */
static int examine(struct input *input, struct hearken_error *error)
{
    struct stat status;
    if (fstat(input->fd, &status) < 0)
        return fail_system(input, errno, error);
    if (S_ISDIR(status.st_mode))
        return hearken_fail(error, -EISDIR, "%s: is a directory: expected an audio file",
                            input->name);
    if (isatty(input->fd))
        return hearken_fail(error, -EINVAL, "%s: is a terminal: expected audio from a file or pipe",
                            input->name);
    /* Standard input may be a file that is not at its start. */
    input->regular = S_ISREG(status.st_mode) && lseek(input->fd, 0, SEEK_CUR) == 0;
    input->size = input->regular && status.st_size > 0 ? (uint64_t)status.st_size : 0;
    return 0;
}

void input_open_reader(struct input *input, const struct hearken_reader *reader, const char *name)
{
    set_name(input, name);
    input->fd = -1;
    input->reader = *reader;
}

bool input_rewinds(const struct input *input)
{
    return input->regular || input->reader.read;
}

int input_open(struct input *input, const char *path, struct hearken_error *error)
{
    set_name(input, path);
    bool standard = strcmp(path, "-") == 0;
    input->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                         : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (input->fd < 0)
        return fail_system(input, errno, error);
    int result = examine(input, error);
    if (result < 0)
        input_close(input);
    return result;
}

void input_close(struct input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    input->fd = -1;
    free(input->head);
    input->head = NULL;
    input->head_at = input->head_size = 0;
}

/* Standard input may be non-blocking, if another process that shares it has set O_NONBLOCK. */
static void wait_for_bytes(const struct input *input)
{
    struct pollfd wanted = {.fd = input->fd, .events = POLLIN};
    poll(&wanted, 1, -1);
}

static long read_from_reader(struct input *input, void *bytes, size_t size,
                             struct hearken_error *error)
{
    long count = input->reader.read(input->reader.context, input->at, bytes, size);
    if (count < 0)
        return fail_system(input, (int)-count, error);
    input->at += (uint64_t)count;
    return count;
}

static long read_some(struct input *input, void *bytes, size_t size, struct hearken_error *error)
{
    if (input->reader.read)
        return read_from_reader(input, bytes, size, error);
    for (;;) {
        ssize_t count = read(input->fd, bytes, size);
        if (count >= 0) {
            input->at += (uint64_t)count;
            return (long)count;
        }
        if (errno == EAGAIN)
            wait_for_bytes(input);
        else if (errno != EINTR)
            return fail_system(input, errno, error);
    }
}

long input_read(struct input *input, void *bytes, size_t size, struct hearken_error *error)
{
    size_t held = input->head_size - input->head_at;
    if (held == 0)
        return read_some(input, bytes, size, error);
    if (size > held)
        size = held;
    memcpy(bytes, input->head + input->head_at, size);
    input->head_at += size;
    return (long)size;
}

long input_look(struct input *input, struct hearken_error *error)
{
    size_t held = input->head_size - input->head_at;
    if (held > 0)
        memmove(input->head, input->head + input->head_at, held);
    input->head_at = 0;
    input->head_size = held;
    uint8_t *grown = realloc(input->head, held + HEAD_BLOCK);
    if (!grown)
        return fail_system(input, ENOMEM, error);
    input->head = grown;
    long count = read_some(input, grown + held, HEAD_BLOCK, error);
    if (count > 0)
        input->head_size += (size_t)count;
    return count;
}

const uint8_t *input_head(const struct input *input, size_t *size)
{
    *size = input->head_size - input->head_at;
    return *size > 0 ? input->head + input->head_at : (const uint8_t *)"";
}

void input_skip(struct input *input, size_t size)
{
    input->head_at += size;
}

uint64_t input_tell(const struct input *input)
{
    return input->at - (input->head_size - input->head_at);
}

int input_seek(struct input *input, uint64_t at, struct hearken_error *error)
{
    if (at > INT64_MAX)
        return fail_system(input, EINVAL, error);
    if (!input->reader.read && lseek(input->fd, (off_t)at, SEEK_SET) < 0)
        return fail_system(input, errno, error);
    input->at = at;
    input->head_at = input->head_size = 0;
    return 0;
}

/* Appends to the spool, which has `input->size` bytes so far. */
static int spool_bytes(struct input *input, int spool, const void *bytes, size_t size,
                       struct hearken_error *error)
{
    if (size > INPUT_SPOOL_LIMIT - input->size)
        return hearken_fail(error, -EFBIG,
                            "%s: more than %llu MiB: expected less from a pipe (give a file, or "
                            "linear PCM)",
                            input->name, (unsigned long long)(INPUT_SPOOL_LIMIT >> 20));
    int result = write_all(spool, bytes, size);
    if (result < 0)
        return hearken_fail(error, result, "%s: cannot be copied to a temporary file: %s",
                            input->name, strerror(-result));
    input->size += size;
    return 0;
}

static int spool_rest(struct input *input, int spool, struct hearken_error *error)
{
    uint8_t *block = malloc(SPOOL_BLOCK);
    if (!block)
        return fail_system(input, ENOMEM, error);
    int result = 0;
    while (result >= 0) {
        long count = input_read(input, block, SPOOL_BLOCK, error);
        if (count <= 0) {
            result = (int)count;
            break;
        }
        result = spool_bytes(input, spool, block, (size_t)count, error);
    }
    free(block);
    return result;
}

/* 1: the reader has a byte at `at`, 0: it ends before, or a negative errno. */
static int reaches(struct input *input, uint64_t at, struct hearken_error *error)
{
    uint8_t byte;
    long count = input->reader.read(input->reader.context, at, &byte, 1);
    return count < 0 ? fail_system(input, (int)-count, error) : (int)count;
}

/* The size of what the reader gives: the bounds are doubled, then halved. */
static int find_size(struct input *input, struct hearken_error *error)
{
    uint64_t low = 0, high = 1;
    int result;
    while ((result = reaches(input, high - 1, error)) > 0) {
        low = high;
        high *= 2;
    }
    while (result >= 0 && high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        result = reaches(input, middle - 1, error);
        if (result > 0)
            low = middle;
        else
            high = middle;
    }
    if (result < 0)
        return result;
    input->size = low;
    input->regular = true;
    return input_seek(input, 0, error);
}

int input_spool(struct input *input, struct hearken_error *error)
{
    if (input->reader.read)
        return find_size(input, error);
    int spool = unlinked_file_open();
    if (spool < 0)
        return fail_system(input, -spool, error);
    input->size = 0;
    int result = spool_rest(input, spool, error);
    if (result < 0) {
        close(spool);
        return result;
    }
    close(input->fd);
    input->fd = spool;
    input->regular = true;
    return input_seek(input, 0, error);
}
