// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sound that is handed over at once: 40 ms. Less would only wake the loop and a worker more often,
 * more would be late. */
#define BLOCK_SAMPLES 640u

/* Sound that may wait for the loop, which takes it at once unless the machine is asleep: beyond
 * that it stays with the capture, which counts what it loses. */
#define WAITING_SAMPLES    (4u * HEARKEN_RATE)
#define WAIT_MILLISECONDS  200
#define PAUSE_MICROSECONDS 20000

/* Something for the loop: sound, or an event if `count` is 0. */
struct item {
    struct item *next;
    struct microphone_event event;
    size_t count;
    float samples[];
};

struct microphone_thread {
    /* Constant from the start. */
    char *device;
    struct hearken_capture_options options;
    struct log *log;
    const struct microphone_user *user;
    void *context;

    uv_thread_t thread;
    uv_async_t async;

    uv_mutex_t mutex; /* for all below */
    struct hearken_capture *capture;
    struct item *first, *last;
    size_t waiting; /* samples */
    bool closing;
    bool ended; /* the thread does nothing more */
    bool failed;
    struct hearken_error problem;
};

/* ---- In the thread ---- */

static void append(struct microphone_thread *microphone, struct item *item)
{
    uv_mutex_lock(&microphone->mutex);
    if (microphone->last)
        microphone->last->next = item;
    else
        microphone->first = item;
    microphone->last = item;
    microphone->waiting += item->count;
    uv_mutex_unlock(&microphone->mutex);
    uv_async_send(&microphone->async);
}

static void copy_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void note_event(void *context, const struct hearken_capture_event *event)
{
    struct item *item = calloc(1, sizeof(*item));
    if (!item)
        return;
    item->event = (struct microphone_event){
        .type = event->type,
        .rate = event->rate,
        .channels = event->channels,
        .overruns = event->overruns,
        .lost_seconds = event->lost_seconds,
    };
    copy_text(item->event.device, sizeof(item->event.device), event->device);
    copy_text(item->event.reason, sizeof(item->event.reason), event->reason);
    append(context, item);
}

static bool is_closing(struct microphone_thread *microphone, bool *full)
{
    uv_mutex_lock(&microphone->mutex);
    bool closing = microphone->closing;
    *full = microphone->waiting > WAITING_SAMPLES;
    uv_mutex_unlock(&microphone->mutex);
    return closing;
}

/* Fills a block, unless there is no more sound for a while. */
static int read_block(struct microphone_thread *microphone, struct item *item,
                      struct hearken_error *error)
{
    while (item->count < BLOCK_SAMPLES) {
        long got = hearken_capture_read(microphone->capture, item->samples + item->count,
                                        BLOCK_SAMPLES - item->count, WAIT_MILLISECONDS, error);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        item->count += (size_t)got;
    }
    return 0;
}

static int hear(struct microphone_thread *microphone, struct hearken_error *error)
{
    bool full;
    while (!is_closing(microphone, &full)) {
        if (full) {
            usleep(PAUSE_MICROSECONDS);
            continue;
        }
        struct item *item = calloc(1, sizeof(*item) + BLOCK_SAMPLES * sizeof(float));
        if (!item)
            return hearken_fail(error, -ENOMEM, "out of memory for sound");
        int result = read_block(microphone, item, error);
        if (result < 0 || item->count == 0)
            free(item);
        else
            append(microphone, item);
        if (result < 0)
            return result;
    }
    return -ECANCELED;
}

static int open_capture(struct microphone_thread *microphone, struct hearken_error *error)
{
    struct hearken_capture *capture;
    int result =
        hearken_capture_open(&microphone->options, note_event, microphone, &capture, error);
    if (result < 0)
        return result;
    uv_mutex_lock(&microphone->mutex);
    microphone->capture = capture;
    uv_mutex_unlock(&microphone->mutex);
    return 0;
}

static void close_capture(struct microphone_thread *microphone)
{
    uv_mutex_lock(&microphone->mutex);
    struct hearken_capture *capture = microphone->capture;
    microphone->capture = NULL;
    uv_mutex_unlock(&microphone->mutex);
    hearken_capture_destroy(capture);
}

static void run(void *context)
{
    struct microphone_thread *microphone = context;
    struct hearken_error error = {"the microphone failed"};
    int result = open_capture(microphone, &error);
    if (result == 0)
        result = hear(microphone, &error);
    close_capture(microphone);
    uv_mutex_lock(&microphone->mutex);
    microphone->failed = result < 0 && result != -ECANCELED;
    microphone->problem = error;
    microphone->ended = true;
    uv_mutex_unlock(&microphone->mutex);
    uv_async_send(&microphone->async);
}

/* ---- On the loop ---- */

static struct item *take_item(struct microphone_thread *microphone)
{
    uv_mutex_lock(&microphone->mutex);
    struct item *item = microphone->first;
    if (item) {
        microphone->first = item->next;
        microphone->waiting -= item->count;
        if (!microphone->first)
            microphone->last = NULL;
    }
    uv_mutex_unlock(&microphone->mutex);
    return item;
}

static void free_microphone(struct microphone_thread *microphone)
{
    struct item *item;
    while ((item = take_item(microphone)))
        free(item);
    uv_mutex_destroy(&microphone->mutex);
    free(microphone->device);
    free(microphone);
}

static void on_closed(uv_handle_t *handle)
{
    struct microphone_thread *microphone = handle->data;
    const struct microphone_user *user = microphone->user;
    void *context = microphone->context;
    struct hearken_error problem = microphone->problem;
    bool failed = microphone->failed && !microphone->closing;
    free_microphone(microphone);
    user->closed(context, failed ? problem.message : NULL);
}

static void deliver(uv_async_t *async)
{
    struct microphone_thread *microphone = async->data;
    struct item *item;
    uv_mutex_lock(&microphone->mutex);
    bool ended = microphone->ended;
    uv_mutex_unlock(&microphone->mutex);
    while ((item = take_item(microphone))) {
        if (!microphone->closing && item->count > 0)
            microphone->user->sound(microphone->context, item->samples, item->count);
        else if (!microphone->closing)
            microphone->user->event(microphone->context, &item->event);
        free(item);
    }
    if (!ended || uv_is_closing((uv_handle_t *)async))
        return;
    uv_thread_join(&microphone->thread);
    uv_close((uv_handle_t *)async, on_closed);
}

static struct microphone_thread *create(const struct settings *settings, struct log *log)
{
    struct microphone_thread *microphone = calloc(1, sizeof(*microphone));
    if (!microphone)
        return NULL;
    microphone->device = strdup(settings->capture_device);
    if (!microphone->device || uv_mutex_init(&microphone->mutex) < 0) {
        free(microphone->device);
        free(microphone);
        return NULL;
    }
    struct hearken_capture_options *options = &microphone->options;
    hearken_capture_options_init(options);
    options->device = microphone->device;
    options->rate = settings->capture_rate;
    options->channels = settings->capture_channels;
    options->buffer_seconds = settings->capture_buffer_seconds;
    options->log = log_library_message;
    options->log_context = log;
    microphone->log = log;
    return microphone;
}

int microphone_thread_open(uv_loop_t *loop, const struct settings *settings, struct log *log,
                           const struct microphone_user *user, void *context,
                           struct microphone_thread **result)
{
    struct microphone_thread *microphone = create(settings, log);
    if (!microphone)
        return -ENOMEM;
    microphone->user = user;
    microphone->context = context;
    int status = uv_async_init(loop, &microphone->async, deliver);
    if (status < 0) {
        free_microphone(microphone);
        return status;
    }
    microphone->async.data = microphone;
    status = uv_thread_create(&microphone->thread, run, microphone);
    if (status < 0) {
        /* Nobody will tell that it is closed but the handle. */
        microphone->failed = true;
        snprintf(microphone->problem.message, sizeof(microphone->problem.message),
                 "cannot start a thread: %s", uv_strerror(status));
        uv_close((uv_handle_t *)&microphone->async, on_closed);
    }
    *result = microphone;
    return 0;
}

bool microphone_thread_differs(const struct microphone_thread *microphone,
                               const struct settings *settings)
{
    const struct hearken_capture_options *options = &microphone->options;
    return strcmp(microphone->device, settings->capture_device) != 0 ||
           options->rate != settings->capture_rate ||
           options->channels != settings->capture_channels ||
           options->buffer_seconds != settings->capture_buffer_seconds;
}

void microphone_thread_close(struct microphone_thread *microphone)
{
    uv_mutex_lock(&microphone->mutex);
    microphone->closing = true;
    if (microphone->capture)
        hearken_capture_cancel(microphone->capture);
    uv_mutex_unlock(&microphone->mutex);
}
