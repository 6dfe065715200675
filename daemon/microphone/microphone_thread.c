// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 40 ms. Smaller blocks wake the loop and a worker more often, larger ones add latency. */
#define BLOCK_SAMPLES 640u

/* Limit of the queue to the loop, which empties it at once unless the machine is suspended. Beyond
 * it audio stays in the capture's buffer, which counts overruns. */
#define QUEUE_SAMPLES             (4u * HEARKEN_RATE)
#define READ_TIMEOUT_MILLISECONDS 200
#define FULL_QUEUE_MICROSECONDS   20000 /* between two checks of a full queue */

/* An entry of the queue to the loop: samples, or an event if `count` is 0. */
struct item {
    struct item *next;
    struct microphone_event event;
    size_t count;
    float samples[];
};

struct microphone_thread {
    /* Constant once the thread runs. */
    char *device;
    struct hearken_capture_options options;
    struct log *log;
    const struct microphone_callbacks *callbacks;
    void *context;

    uv_thread_t thread;
    uv_async_t async;

    uv_mutex_t mutex; /* guards all below */
    struct hearken_capture *capture;
    struct item *first, *last;
    size_t queued_samples;
    bool closing;
    bool thread_ended;
    bool failed;
    struct hearken_error problem;
};

/* ---- Capture thread ---- */

static void push_item(struct microphone_thread *microphone, struct item *item)
{
    uv_mutex_lock(&microphone->mutex);
    if (microphone->last)
        microphone->last->next = item;
    else
        microphone->first = item;
    microphone->last = item;
    microphone->queued_samples += item->count;
    uv_mutex_unlock(&microphone->mutex);
    uv_async_send(&microphone->async);
}

static void copy_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void on_capture_event(void *context, const struct hearken_capture_event *event)
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
    push_item(context, item);
}

static bool is_closing(struct microphone_thread *microphone, bool *full)
{
    uv_mutex_lock(&microphone->mutex);
    bool closing = microphone->closing;
    *full = microphone->queued_samples > QUEUE_SAMPLES;
    uv_mutex_unlock(&microphone->mutex);
    return closing;
}

/* Fills a block, or as much of it as comes before a read times out. */
static int read_block(struct microphone_thread *microphone, struct item *item,
                      struct hearken_error *error)
{
    while (item->count < BLOCK_SAMPLES) {
        long got =
            hearken_capture_read(microphone->capture, item->samples + item->count,
                                 BLOCK_SAMPLES - item->count, READ_TIMEOUT_MILLISECONDS, error);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        item->count += (size_t)got;
    }
    return 0;
}

static int capture_loop(struct microphone_thread *microphone, struct hearken_error *error)
{
    bool full;
    while (!is_closing(microphone, &full)) {
        if (full) {
            usleep(FULL_QUEUE_MICROSECONDS);
            continue;
        }
        struct item *item = calloc(1, sizeof(*item) + BLOCK_SAMPLES * sizeof(float));
        if (!item)
            return hearken_fail(error, -ENOMEM, "out of memory for audio");
        int result = read_block(microphone, item, error);
        if (result < 0 || item->count == 0)
            free(item);
        else
            push_item(microphone, item);
        if (result < 0)
            return result;
    }
    return -ECANCELED;
}

static int open_capture(struct microphone_thread *microphone, struct hearken_error *error)
{
    struct hearken_capture *capture;
    int result =
        hearken_capture_open(&microphone->options, on_capture_event, microphone, &capture, error);
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
        result = capture_loop(microphone, &error);
    close_capture(microphone);
    uv_mutex_lock(&microphone->mutex);
    microphone->failed = result < 0 && result != -ECANCELED;
    microphone->problem = error;
    microphone->thread_ended = true;
    uv_mutex_unlock(&microphone->mutex);
    uv_async_send(&microphone->async);
}

/* ---- Loop ---- */

static struct item *pop_item(struct microphone_thread *microphone)
{
    uv_mutex_lock(&microphone->mutex);
    struct item *item = microphone->first;
    if (item) {
        microphone->first = item->next;
        microphone->queued_samples -= item->count;
        if (!microphone->first)
            microphone->last = NULL;
    }
    uv_mutex_unlock(&microphone->mutex);
    return item;
}

static void free_microphone(struct microphone_thread *microphone)
{
    struct item *item;
    while ((item = pop_item(microphone)))
        free(item);
    uv_mutex_destroy(&microphone->mutex);
    free(microphone->device);
    free(microphone);
}

static void on_closed(uv_handle_t *handle)
{
    struct microphone_thread *microphone = handle->data;
    const struct microphone_callbacks *callbacks = microphone->callbacks;
    void *context = microphone->context;
    struct hearken_error problem = microphone->problem;
    bool failed = microphone->failed && !microphone->closing;
    free_microphone(microphone);
    callbacks->closed(context, failed ? problem.message : NULL);
}

static void deliver(uv_async_t *async)
{
    struct microphone_thread *microphone = async->data;
    struct item *item;
    uv_mutex_lock(&microphone->mutex);
    bool thread_ended = microphone->thread_ended;
    uv_mutex_unlock(&microphone->mutex);
    while ((item = pop_item(microphone))) {
        if (!microphone->closing && item->count > 0)
            microphone->callbacks->samples(microphone->context, item->samples, item->count);
        else if (!microphone->closing)
            microphone->callbacks->event(microphone->context, &item->event);
        free(item);
    }
    if (!thread_ended || uv_is_closing((uv_handle_t *)async))
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
                           const struct microphone_callbacks *callbacks, void *context,
                           struct microphone_thread **result)
{
    struct microphone_thread *microphone = create(settings, log);
    if (!microphone)
        return -ENOMEM;
    microphone->callbacks = callbacks;
    microphone->context = context;
    int status = uv_async_init(loop, &microphone->async, deliver);
    if (status < 0) {
        free_microphone(microphone);
        return status;
    }
    microphone->async.data = microphone;
    status = uv_thread_create(&microphone->thread, run, microphone);
    if (status < 0) {
        /* Without a thread, closing the handle calls `closed`. */
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
