// SPDX-License-Identifier: MIT
#include "daemon/client/batch/fetch.h"

#include "daemon/client/program/child_program.h"
#include "include/internal/child_process.h"
#include "include/internal/unlinked_file.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

/* ---- The program ---- */

int fetch_program_init(struct fetch_program *program, const char *text, unsigned most_mib,
                       struct hearken_error *error)
{
    size_t count = 0;
    bool has_place = false;
    *program = (struct fetch_program){.most_mib = most_mib};
    if (!text)
        return 0;
    char *rest = program->text = strdup(text), *word;
    if (!rest)
        return hearken_fail(error, -ENOMEM, "out of memory");
    while ((word = strsep(&rest, " \t"))) {
        if (!*word)
            continue;
        if (count == FETCH_WORDS_MAX)
            return hearken_fail(error, -EINVAL, "--get: more than %d words", FETCH_WORDS_MAX);
        has_place = has_place || (count > 0 && strstr(word, "{}"));
        program->words[count++] = word;
    }
    if (!has_place)
        return hearken_fail(error, -EINVAL,
                            "--get %.100s: expected a program and {} where the address goes, as in "
                            "'rclone cat s3:talks/{}'",
                            text);
    return 0;
}

void fetch_program_finish(struct fetch_program *program)
{
    free(program->text);
    *program = (struct fetch_program){0};
}

/* A word with the address in place of each {}; the caller frees it. NULL: no memory. */
static char *fill_in(const char *word, const char *url)
{
    size_t size = strlen(word) + 1;
    for (const char *at = word; (at = strstr(at, "{}")); at += 2)
        size += strlen(url);
    char *filled = malloc(size), *out = filled;
    while (filled && *word) {
        if (strncmp(word, "{}", 2) == 0) {
            out = stpcpy(out, url);
            word += 2;
        } else {
            *out++ = *word++;
        }
    }
    if (filled)
        *out = '\0';
    return filled;
}

/* An address that a program would take for an option is none, nor one that describes a remote of
 * rclone, which can run commands. */
static int check_address(const struct fetch_program *program, const char *url,
                         struct hearken_error *error)
{
    for (size_t i = 1; program->words[i]; i++)
        if (strchr("-:", url[0]) && strncmp(program->words[i], "{}", 2) == 0)
            return hearken_fail(error, -EINVAL,
                                "%.200s: begins with %c, expected the address of a recording", url,
                                url[0]);
    return 0;
}

static int start(const struct fetch_program *program, const char *url, pid_t *child, int *output,
                 struct hearken_error *error)
{
    char *words[FETCH_WORDS_MAX + 1] = {NULL};
    int result = 0;
    for (size_t i = 0; program->words[i] && result == 0; i++)
        result = (words[i] = fill_in(program->words[i], url)) ? 0 : -ENOMEM;
    if (result == 0)
        result = child_program_start_piped(words, child, output);
    for (size_t i = 0; words[i]; i++)
        free(words[i]);
    if (result < 0)
        return hearken_fail(error, result == -ENOMEM ? result : -EIO, "%s: %s", program->words[0],
                            strerror(-result));
    return 0;
}

/* Copies what the program writes, at most `most` bytes. Its end is that of the pipe. */
static int copy(int from, int to, int interrupt, uint64_t most, crypto_hash_sha256_state *state,
                uint64_t *bytes)
{
    unsigned char block[BLOCK_BYTES];
    struct pollfd pollers[] = {{.fd = from, .events = POLLIN}, {.fd = interrupt, .events = POLLIN}};
    for (;;) {
        if (poll(pollers, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (pollers[1].revents)
            return -ECANCELED;
        ssize_t count = read(from, block, sizeof(block));
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (count <= 0)
            return count < 0 ? -errno : 0;
        if ((uint64_t)count > most - *bytes)
            return -EFBIG;
        int result = write_all(to, block, (size_t)count);
        if (result < 0)
            return result;
        crypto_hash_sha256_update(state, block, (unsigned long long)count);
        *bytes += (uint64_t)count;
    }
}

/* Waits for a program that has closed its output. */
static int wait_for_end(pid_t child, const char *name, const char *url, struct hearken_error *error)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return hearken_fail(error, -EIO, "%s: %s", name, strerror(errno));
    if (WIFSIGNALED(status))
        return hearken_fail(error, -EIO, "%.300s: %s was ended by signal %d", url, name,
                            WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return hearken_fail(error, -EIO, "%.300s: %s failed with status %d", url, name,
                            WEXITSTATUS(status));
    return 0;
}

/* The program has written more than it may, or than the manifest says. */
static int refuse_size(const struct fetch_program *program, const struct manifest_item *item,
                       uint64_t most, struct hearken_error *error)
{
    if (item->bytes == most)
        return hearken_fail(error, -EBADMSG, "%.300s: has more than the %llu bytes of the manifest",
                            item->url, (unsigned long long)most);
    return hearken_fail(error, -EFBIG, "%.300s: has more than %u MiB (--largest)", item->url,
                        program->most_mib);
}

static int run_program(const struct fetch_program *program, const struct manifest_item *item,
                       int interrupt, struct fetched *fetched, struct hearken_error *error)
{
    const char *url = item->url;
    uint64_t most = (uint64_t)program->most_mib << 20;
    if (item->bytes > 0 && item->bytes < most)
        most = item->bytes;
    crypto_hash_sha256_state state;
    unsigned char sum[crypto_hash_sha256_BYTES];
    pid_t child;
    int output;
    fetched->file = unlinked_file_open();
    if (fetched->file < 0)
        return hearken_fail(error, fetched->file, "no temporary file: %s",
                            strerror(-fetched->file));
    int result = start(program, url, &child, &output, error);
    if (result < 0)
        return result;
    crypto_hash_sha256_init(&state);
    result = copy(output, fetched->file, interrupt, most, &state, &fetched->identity.bytes);
    close(output);
    if (result < 0) {
        child_end(child);
        if (result == -EFBIG)
            return refuse_size(program, item, most, error);
        return hearken_fail(error, result, "%.300s: %s", url, strerror(-result));
    }
    crypto_hash_sha256_final(&state, sum);
    sodium_bin2hex(fetched->identity.sha256, SHA256_TEXT, sum, sizeof(sum));
    return wait_for_end(child, program->words[0], url, error);
}

/* ---- Files ---- */

static int find_path(const char *url, char **path, struct hearken_error *error)
{
    *path = strdup(url);
    if (!*path)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (manifest_url_to_path(*path))
        return 0;
    free(*path);
    *path = NULL;
    return hearken_fail(error, -EINVAL,
                        "%.300s: expected a path, or file:// and a path; --get PROGRAM gets others",
                        url);
}

static int look_at(const char *path, struct fetch_identity *identity, struct hearken_error *error)
{
    struct stat state;
    if (stat(path, &state) < 0)
        return hearken_fail(error, -errno, "%.300s: %s", path, strerror(errno));
    if (!S_ISREG(state.st_mode))
        return hearken_fail(error, -EINVAL, "%.300s: is no regular file: expected a recording",
                            path);
    *identity = (struct fetch_identity){
        .bytes = (uint64_t)state.st_size,
        .modified = state.st_mtim.tv_sec * INT64_C(1000000000) + state.st_mtim.tv_nsec,
    };
    return 0;
}

int fetch_look(const struct fetch_program *program, const struct manifest_item *item,
               struct fetch_identity *identity, struct hearken_error *error)
{
    char *path;
    *identity = (struct fetch_identity){0};
    if (program->words[0])
        return check_address(program, item->url, error);
    int result = find_path(item->url, &path, error);
    if (result == 0)
        result = look_at(path, identity, error);
    free(path);
    return result;
}

static int open_file(const struct manifest_item *item, struct fetched *fetched,
                     struct hearken_error *error)
{
    uint64_t read;
    int result = find_path(item->url, &fetched->path, error);
    if (result == 0)
        result = look_at(fetched->path, &fetched->identity, error);
    if (result == 0)
        result = model_folder_hash(fetched->path, fetched->identity.sha256, &read, error);
    if (result == 0 && read != fetched->identity.bytes)
        result = hearken_fail(error, -EIO, "%.300s: is being written to", fetched->path);
    return result;
}

/* ---- Both ---- */

static int check_identity(const struct manifest_item *item, const struct fetch_identity *identity,
                          struct hearken_error *error)
{
    if (item->sha256[0] && strcmp(item->sha256, identity->sha256) != 0)
        return hearken_fail(error, -EBADMSG, "%.300s: has the SHA-256 %s, the manifest says %s",
                            item->url, identity->sha256, item->sha256);
    if (item->bytes > 0 && item->bytes != identity->bytes)
        return hearken_fail(error, -EBADMSG, "%.300s: has %llu bytes, the manifest says %llu",
                            item->url, (unsigned long long)identity->bytes,
                            (unsigned long long)item->bytes);
    return 0;
}

int fetch_open(const struct fetch_program *program, const struct manifest_item *item, int interrupt,
               struct fetched *fetched, struct hearken_error *error)
{
    *fetched = (struct fetched){.file = -1};
    int result = program->words[0] ? check_address(program, item->url, error) : 0;
    if (result == 0)
        result = program->words[0] ? run_program(program, item, interrupt, fetched, error)
                                   : open_file(item, fetched, error);
    if (result == 0)
        result = check_identity(item, &fetched->identity, error);
    if (result < 0)
        fetch_close(fetched);
    return result;
}

void fetch_close(struct fetched *fetched)
{
    if (fetched->file >= 0)
        close(fetched->file);
    free(fetched->path);
    *fetched = (struct fetched){.file = -1};
}

static long read_bytes(void *context, uint64_t offset, void *bytes, size_t size)
{
    const struct fetched *fetched = context;
    ssize_t count;
    do
        count = pread(fetched->file, bytes, size, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (long)count;
}

static int give_file(void *context)
{
    const struct fetched *fetched = context;
    return fetched->file;
}

int fetch_open_source(struct fetched *fetched, const char *name,
                      const struct hearken_source_options *options, struct hearken_source **source,
                      struct hearken_error *error)
{
    const struct hearken_reader reader = {
        .context = fetched, .read = read_bytes, .file = give_file};
    if (!fetched->path)
        return hearken_source_open_reader(&reader, name, options, source, error);
    bool standard_input = strcmp(fetched->path, "-") == 0; /* there, the library reads that */
    return hearken_source_open(standard_input ? "./-" : fetched->path, options, source, error);
}
