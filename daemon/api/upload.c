// SPDX-License-Identifier: MIT
#include "daemon/api/upload.h"

#include "daemon/common/source_channels.h"
#include "include/internal/unlinked_file.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Samples that are handed over at a time, of all channels: a second of mono. */
#define BLOCK_SAMPLES HEARKEN_RATE

#define WARNINGS_MAX 3u

struct upload {
    /* Constant from the start. */
    const struct upload_listener *listener;
    void *context;
    int descriptor;
    uint64_t limit;
    char *decoder; /* or NULL */
    uv_thread_t thread;

    /* The loop's. A wake-up may come more than once. */
    uv_async_t async;
    bool offered;  /* the samples, and they were not taken yet */
    bool reported; /* the end */

    /* The thread's, until `is_over`. */
    char warnings[WARNINGS_MAX][512];
    int result;
    struct hearken_error problem;

    uv_mutex_t mutex; /* for all below */
    uv_cond_t changed;
    uint64_t size;     /* bytes in the file */
    bool complete;     /* and there will be no more */
    bool stops;        /* the thread is to end */
    unsigned restarts; /* asked for */
    unsigned mode;     /* enum hearken_channels, since the last restart */
    bool full;         /* `samples` are to be taken */
    bool is_over;      /* all was decoded, or it failed */
    size_t frames;
    uint32_t channels;
    float samples[BLOCK_SAMPLES]; /* [frames, channels] */
};

/* ---- The thread ---- */

/* Copies bytes of the file as soon as they are there: a hearken_reader. */
static long read_file(void *context, uint64_t offset, void *bytes, size_t size)
{
    struct upload *upload = context;
    uv_mutex_lock(&upload->mutex);
    unsigned restarts = upload->restarts;
    while (offset >= upload->size && !upload->complete && !upload->stops &&
           restarts == upload->restarts)
        uv_cond_wait(&upload->changed, &upload->mutex);
    bool cancelled = upload->stops || restarts != upload->restarts;
    uint64_t there = upload->size > offset ? upload->size - offset : 0;
    uv_mutex_unlock(&upload->mutex);
    if (cancelled)
        return -ECANCELED;
    if (there == 0)
        return 0;
    ssize_t count;
    do
        count =
            pread(upload->descriptor, bytes, size < there ? size : (size_t)there, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (long)count;
}

/* For hearken-decode. */
static int file_of(void *context)
{
    const struct upload *upload = context;
    return upload->descriptor;
}

/* False: the decoding is not wanted any more. */
static bool hand_over(struct upload *upload, unsigned restarts, const float *samples, size_t frames,
                      uint32_t channels)
{
    uv_mutex_lock(&upload->mutex);
    while (upload->full && !upload->stops && restarts == upload->restarts)
        uv_cond_wait(&upload->changed, &upload->mutex);
    bool wanted = !upload->stops && restarts == upload->restarts;
    if (wanted) {
        memcpy(upload->samples, samples, frames * channels * sizeof(*samples));
        upload->frames = frames;
        upload->channels = channels;
        upload->full = true;
        uv_async_send(&upload->async);
    }
    uv_mutex_unlock(&upload->mutex);
    return wanted;
}

/* Returns how many frames. */
static long read_block(struct hearken_source *source, uint32_t channels, float *block,
                       struct hearken_error *error)
{
    size_t frames = 0, most = BLOCK_SAMPLES / channels;
    while (frames < most) {
        long more = hearken_source_read(source, block + frames * channels, most - frames, error);
        if (more < 0)
            return more;
        if (more == 0)
            break;
        frames += (size_t)more;
    }
    return (long)frames;
}

static void note_warnings(struct upload *upload, const struct hearken_source *source)
{
    struct hearken_source_warning warning;
    for (size_t i = 0; i < WARNINGS_MAX; i++) {
        upload->warnings[i][0] = '\0';
        if (hearken_source_warning(source, i, &warning))
            snprintf(upload->warnings[i], sizeof(upload->warnings[i]), "%s", warning.message);
    }
}

static int decode(struct upload *upload, unsigned restarts, unsigned mode, float *block,
                  struct hearken_error *error)
{
    const struct hearken_reader reader = {.context = upload, .read = read_file, .file = file_of};
    struct hearken_source_options options;
    struct hearken_source *source;
    hearken_source_options_init(&options);
    options.decoder = upload->decoder;
    int result = hearken_source_open_reader(&reader, "file", &options, &source, error);
    if (result < 0)
        return result;
    uint32_t channels;
    long frames = source_channels_separate(source, mode, &channels, error);
    while (frames >= 0 && (frames = read_block(source, channels, block, error)) > 0)
        if (!hand_over(upload, restarts, block, (size_t)frames, channels)) {
            frames = -ECANCELED;
            break;
        }
    note_warnings(upload, source);
    hearken_source_destroy(source);
    return (int)frames;
}

/* Reports the end and waits until there is something to do again. False: the thread is to end. */
static bool wait_for_restart(struct upload *upload, unsigned restarts)
{
    uv_mutex_lock(&upload->mutex);
    while (upload->full && !upload->stops && restarts == upload->restarts)
        uv_cond_wait(&upload->changed, &upload->mutex);
    if (restarts == upload->restarts && !upload->stops) {
        upload->is_over = true;
        uv_async_send(&upload->async);
    }
    while (restarts == upload->restarts && !upload->stops)
        uv_cond_wait(&upload->changed, &upload->mutex);
    bool again = !upload->stops;
    uv_mutex_unlock(&upload->mutex);
    return again;
}

static void run(void *context)
{
    struct upload *upload = context;
    float *block = malloc(BLOCK_SAMPLES * sizeof(*block));
    unsigned restarts, mode;
    do {
        uv_mutex_lock(&upload->mutex);
        restarts = upload->restarts;
        mode = upload->mode;
        uv_mutex_unlock(&upload->mutex);
        upload->result = block ? decode(upload, restarts, mode, block, &upload->problem)
                               : hearken_fail(&upload->problem, -ENOMEM, "out of memory");
    } while (wait_for_restart(upload, restarts));
    free(block);
}

/* ---- On the loop ---- */

static void on_closed(uv_handle_t *handle)
{
    struct upload *upload = handle->data;
    uv_cond_destroy(&upload->changed);
    uv_mutex_destroy(&upload->mutex);
    close(upload->descriptor);
    free(upload->decoder);
    free(upload);
}

static void on_change(uv_async_t *async)
{
    struct upload *upload = async->data;
    uv_mutex_lock(&upload->mutex);
    bool full = upload->full, is_over = upload->is_over;
    uv_mutex_unlock(&upload->mutex);
    if (full && !upload->offered) {
        upload->offered = true;
        upload->listener->samples(upload->context, upload->samples, upload->frames,
                                  upload->channels);
    } else if (!full && is_over && !upload->reported) {
        upload->reported = true;
        upload->listener->ended(upload->context, upload->result, upload->problem.message);
    }
}

void upload_options_init(struct upload_options *options, const struct settings *settings,
                         unsigned mode)
{
    const char *decoder = settings->http_decoder;
    options->limit = (uint64_t)settings->http_upload_mib << 20;
    options->mode = mode;
    options->decoder = decoder;
    if (strcmp(decoder, "none") == 0)
        options->decoder = NULL;
    else if (*decoder == '\0')
        options->decoder = hearken_find_decoder(options->path, sizeof(options->path));
}

int upload_create(uv_loop_t *loop, const struct upload_options *options,
                  const struct upload_listener *listener, void *context, struct upload **upload,
                  struct hearken_error *error)
{
    struct upload *created = calloc(1, sizeof(*created));
    char *decoder = options->decoder ? strdup(options->decoder) : NULL;
    if (!created || (options->decoder && !decoder)) {
        free(created);
        free(decoder);
        return hearken_fail(error, -ENOMEM, "out of memory");
    }
    created->descriptor = unlinked_file_open();
    if (created->descriptor < 0) {
        int result = created->descriptor;
        free(created);
        free(decoder);
        return hearken_fail(error, result, "cannot make a temporary file: %s", strerror(-result));
    }
    created->listener = listener;
    created->context = context;
    created->limit = options->limit;
    created->mode = options->mode;
    created->decoder = decoder;
    uv_mutex_init(&created->mutex);
    uv_cond_init(&created->changed);
    uv_async_init(loop, &created->async, on_change);
    created->async.data = created;
    int result = uv_thread_create(&created->thread, run, created);
    if (result < 0) {
        uv_close((uv_handle_t *)&created->async, on_closed);
        return hearken_fail(error, result, "cannot start a thread: %s", uv_strerror(result));
    }
    *upload = created;
    return 0;
}

int upload_write(struct upload *upload, const char *bytes, size_t size)
{
    /* Only the loop changes `size`. */
    if (size > upload->limit - upload->size)
        return -EFBIG;
    int result = write_all(upload->descriptor, bytes, size);
    if (result < 0)
        return result;
    uv_mutex_lock(&upload->mutex);
    upload->size += size;
    uv_cond_broadcast(&upload->changed);
    uv_mutex_unlock(&upload->mutex);
    return 0;
}

static void set(struct upload *upload, bool *flag, bool value)
{
    uv_mutex_lock(&upload->mutex);
    *flag = value;
    uv_cond_broadcast(&upload->changed);
    uv_mutex_unlock(&upload->mutex);
}

void upload_end(struct upload *upload)
{
    set(upload, &upload->complete, true);
}

void upload_continue(struct upload *upload)
{
    upload->offered = false;
    set(upload, &upload->full, false);
}

void upload_restart(struct upload *upload, unsigned mode)
{
    uv_mutex_lock(&upload->mutex);
    upload->offered = upload->reported = false;
    upload->restarts++;
    upload->mode = mode;
    upload->full = upload->is_over = false;
    uv_cond_broadcast(&upload->changed);
    uv_mutex_unlock(&upload->mutex);
}

/* The thread ends at its next read, or before it hands samples over: there is little to wait for.
 */
void upload_abandon(struct upload *upload)
{
    if (!upload)
        return;
    set(upload, &upload->stops, true);
    uv_thread_join(&upload->thread);
    uv_close((uv_handle_t *)&upload->async, on_closed);
}

const char *upload_warning(const struct upload *upload, size_t index)
{
    return index < WARNINGS_MAX && upload->warnings[index][0] ? upload->warnings[index] : NULL;
}
