// SPDX-License-Identifier: MIT
#include "daemon/client/recognition/recognition.h"

#include "daemon/common/installed_hint.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SAMPLES 1024
#define CHUNK_SAMPLES 4000u /* a quarter of a second of one channel */

static void put_sample(uint8_t *bytes, float sample)
{
    double scaled = rint((double)sample * 2147483648.0);
    int32_t value = 0; /* also for NaN */
    if (scaled >= INT32_MAX)
        value = INT32_MAX;
    else if (scaled <= INT32_MIN)
        value = INT32_MIN;
    else if (scaled == scaled)
        value = (int32_t)scaled;
    for (int i = 0; i < RECOGNITION_WIDTH; i++)
        bytes[i] = (uint8_t)((uint32_t)value >> 8 * i);
}

long recognition_read(struct recognition *recognition, uint8_t *bytes, size_t count,
                      struct hearken_error *error)
{
    float samples[BLOCK_SAMPLES];
    const size_t channels = recognition->channels, block = BLOCK_SAMPLES / channels * channels;
    size_t done = 0;
    long got = (long)block; /* a short read from a pipe ends the loop */
    while (done < count && (size_t)got == block) {
        size_t wanted = count - done < block ? count - done : block;
        got = hearken_source_read(recognition->source, samples, wanted / channels, error);
        if (got < 0)
            return got;
        got *= (long)channels;
        if (recognition->picture &&
            picture_add_samples(recognition->picture, samples, (size_t)got) < 0)
            return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
        for (size_t i = 0; i < (size_t)got; i++)
            put_sample(bytes + (done + i) * RECOGNITION_WIDTH, samples[i]);
        done += (size_t)got;
    }
    size_t frames = done / channels;
    recognition->seconds += (double)frames / HEARKEN_RATE;
    recognition->progress(recognition->context, recognition->seconds);
    return (long)done;
}

int recognition_wait(const struct recognition *recognition)
{
    struct pollfd pollers[] = {
        {.fd = recognition->interrupt, .events = POLLIN},
        {.fd = recognition->from_stdin ? STDIN_FILENO : -1, .events = POLLIN},
    };
    while (poll(pollers, 2, recognition->from_stdin ? -1 : 0) < 0)
        if (errno != EINTR)
            return -errno;
    return pollers[0].revents ? -ECANCELED : 0;
}

int recognition_report_segment(struct recognition *recognition, struct transcript_segment *segment,
                               const struct hearken_alignment *alignment)
{
    recognition->has_segments = true;
    if (recognition->picture && picture_add(recognition->picture, segment, alignment) < 0)
        return -ENOMEM;
    return recognition->segment(recognition->context, segment);
}

/* ---- By a model in this process ---- */

/* An entry in the list of running streams, for local_cancel. */
struct running {
    struct hearken_stream *stream;
    struct running *next;
};

struct local {
    struct hearken_model *model;
    pthread_mutex_t lock;
    struct running *running; /* guarded by lock */
};

int local_create(const char *model, const struct hearken_backend_options *options,
                 struct local **local, struct hearken_error *error)
{
    char path[PATH_MAX];
    struct local *created = calloc(1, sizeof(*created));
    int result = 0;
    if (!created)
        result = hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    else if (!hearken_find_model(model, path, sizeof(path)))
        result = hearken_fail(error, -ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
    if (result < 0)
        goto free_created;
    result = hearken_model_open(path, options, &created->model, error);
    if (result < 0) {
        installed_hint_add(path, result, error);
        goto free_created;
    }
    pthread_mutex_init(&created->lock, NULL);
    *local = created;
    return 0;

free_created:
    free(created);
    return result;
}

void local_destroy(struct local *local)
{
    if (!local)
        return;
    pthread_mutex_destroy(&local->lock);
    hearken_model_destroy(local->model);
    free(local);
}

/* ---- Cancelling ---- */

static void add_running(struct local *local, struct running *running)
{
    pthread_mutex_lock(&local->lock);
    running->next = local->running;
    local->running = running;
    pthread_mutex_unlock(&local->lock);
}

static void remove_running(struct local *local, struct running *running)
{
    pthread_mutex_lock(&local->lock);
    struct running **at = &local->running;
    while (*at != running)
        at = &(*at)->next;
    *at = running->next;
    pthread_mutex_unlock(&local->lock);
}

void local_cancel(struct local *local)
{
    pthread_mutex_lock(&local->lock);
    for (struct running *running = local->running; running; running = running->next)
        hearken_stream_cancel(running->stream);
    pthread_mutex_unlock(&local->lock);
}

/* ---- Recognising ---- */

/* Context of the event callback. */
struct sink {
    struct recognition *recognition;
    struct hearken_stream *stream;
    int result; /* the first error in a callback */
};

static int handle_final(struct recognition *recognition, const struct hearken_event *event)
{
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment = transcript_add(&transcript, event->text);
    int result = segment ? transcript_segment_read_event(segment, event) : -ENOMEM;
    if (result == 0)
        result = recognition_report_segment(recognition, segment, event->alignment);
    transcript_finish(&transcript);
    return result;
}

static void on_event(void *context, const struct hearken_event *event)
{
    struct sink *sink = context;
    if (event->type != HEARKEN_EVENT_FINAL || sink->result < 0)
        return;
    sink->result = handle_final(sink->recognition, event);
    if (sink->result < 0)
        hearken_stream_cancel(sink->stream);
}

/* Tells how far the segments are that have been told. */
static int tell_border(struct sink *sink)
{
    const struct recognition *recognition = sink->recognition;
    if (recognition->border)
        sink->result =
            recognition->border(recognition->context, hearken_stream_border(sink->stream));
    return sink->result;
}

static int feed(struct sink *sink, struct hearken_error *error)
{
    uint8_t bytes[RECOGNITION_WIDTH * CHUNK_SAMPLES];
    const size_t channels = sink->recognition->channels;
    for (;;) {
        int result = recognition_wait(sink->recognition);
        if (result < 0)
            return result;
        long got =
            recognition_read(sink->recognition, bytes, CHUNK_SAMPLES / channels * channels, error);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return hearken_stream_finish(sink->stream, error);
        result = hearken_stream_write(sink->stream, bytes, (size_t)got / channels, error);
        if (result == 0)
            result = tell_border(sink);
        if (result < 0)
            return result;
    }
}

int local_recognise(struct local *local, const struct stream_settings *settings,
                    struct recognition *recognition, struct hearken_error *error)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    stream_settings_apply(settings, &options);
    options.alignment = recognition->picture;
    options.audio.type = HEARKEN_SAMPLE_S32; /* the format of recognition_read */
    options.audio.channels = recognition->channels;
    struct sink sink = {.recognition = recognition};
    int result =
        hearken_stream_create(local->model, &options, on_event, &sink, &sink.stream, error);
    if (result < 0)
        return result;
    struct running running = {.stream = sink.stream};
    add_running(local, &running);
    struct hearken_error stream_error;
    result = hearken_stream_resume(sink.stream, recognition->resume, &stream_error);
    if (result == 0)
        result = feed(&sink, &stream_error);
    remove_running(local, &running);
    hearken_stream_destroy(sink.stream);
    if (sink.result == -ENOMEM)
        snprintf(error->message, sizeof(error->message), "%s", strerror(ENOMEM));
    if (sink.result < 0) /* the callback has reported the error and cancelled the stream */
        return sink.result;
    if (result < 0)
        *error = stream_error;
    return result;
}
