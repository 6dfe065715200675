// SPDX-License-Identifier: MIT
#include "daemon/microphone/shared_recognition.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct request_listener listener;

static size_t queue_limit(const struct shared_recognition *recognition)
{
    return (size_t)recognition->service->settings.audio_queue_kib * 1024;
}

/* ---- Audio ---- */

/* A request expects little-endian samples. */
static int write_samples(struct shared_recognition *recognition, const float *samples, size_t count)
{
    uint32_t block[1024];
    const size_t capacity = sizeof(block) / sizeof(*block);
    for (size_t done = 0; done < count;) {
        size_t length = count - done < capacity ? count - done : capacity;
        memcpy(block, samples + done, length * sizeof(*block));
        for (size_t i = 0; i < length; i++)
            block[i] = htole32(block[i]);
        if (request_write(recognition->request, (const uint8_t *)block, length * sizeof(*block)) <
            0)
            return -ENOMEM;
        done += length;
    }
    return 0;
}

static int queue_samples(struct shared_recognition *recognition, const float *samples, size_t count,
                         double time)
{
    if ((recognition->backlog_count + count) * sizeof(float) > queue_limit(recognition)) {
        log_warning(recognition->service->log,
                    "microphone: the recogniser is too slow: %.1f s of audio dropped",
                    (double)recognition->backlog_count / HEARKEN_RATE);
        recognition->backlog_count = 0;
    }
    if (recognition->backlog_count == 0)
        recognition->backlog_start = time;
    if (recognition->backlog_count + count > recognition->backlog_capacity) {
        size_t capacity = 2 * (recognition->backlog_count + count);
        float *grown = realloc(recognition->backlog, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        recognition->backlog = grown;
        recognition->backlog_capacity = capacity;
    }
    if (count > 0)
        memcpy(recognition->backlog + recognition->backlog_count, samples,
               count * sizeof(*samples));
    recognition->backlog_count += count;
    return 0;
}

static void free_backlog(struct shared_recognition *recognition)
{
    free(recognition->backlog);
    recognition->backlog = NULL;
    recognition->backlog_count = recognition->backlog_capacity = 0;
}

/* ---- Start and end ---- */

static int start_request(struct shared_recognition *recognition, double time,
                         struct hearken_error *error)
{
    struct service *service = recognition->service;
    const char *name = recognition->options.model;
    struct served_model *model = catalogue_acquire(&service->models, name);
    if (!model && !catalogue_find(&service->models, name))
        return hearken_fail(error, -ENOENT, "model %s is no longer configured", name);
    if (!model)
        return hearken_fail(error, -ENOMEM, "out of memory for a model");
    recognition->options.origin = recognition->captured_until = time;
    recognition->model = model;
    recognition->request =
        request_create(service->workers, model, &recognition->options, queue_limit(recognition),
                       &listener, recognition, &service->totals);
    if (!recognition->request)
        return hearken_fail(error, -ENOMEM, "out of memory for a request");
    recognition->state = RECOGNITION_RUNNING;
    recognition->segment_open = recognition->restart_pending = false;
    return 0;
}

static void end_request(struct shared_recognition *recognition)
{
    recognition->state = RECOGNITION_ENDING;
    request_end(recognition->request);
}

/* The backlog is the audio captured while the last request ended. */
static int start_with_backlog(struct shared_recognition *recognition, struct hearken_error *error)
{
    double until = recognition->captured_until;
    int result = start_request(recognition, recognition->backlog_start, error);
    if (result == 0 &&
        write_samples(recognition, recognition->backlog, recognition->backlog_count) < 0)
        result = hearken_fail(error, -ENOMEM, "out of memory for audio");
    recognition->captured_until = until;
    free_backlog(recognition);
    recognition->restart_after_end = false;
    return result;
}

static void end_and_restart(struct shared_recognition *recognition, double time)
{
    end_request(recognition);
    recognition->restart_after_end = true;
    recognition->backlog_start = time;
}

/* ---- Callbacks of the request ---- */

static void restart_in_pause(struct shared_recognition *recognition)
{
    if (!recognition->restart_pending || recognition->segment_open ||
        recognition->state != RECOGNITION_RUNNING)
        return;
    recognition->restart_pending = false;
    end_and_restart(recognition, recognition->captured_until);
}

static void on_segment(void *context, const struct segment_message *segment)
{
    struct shared_recognition *recognition = context;
    if (segment->voice)
        recognition->segment_open = strcmp(segment->event, "voice-started") == 0;
    else if (segment->final)
        recognition->segment_open = false;
    else
        recognition->segment_open = true;
    recognition->listener->segment(recognition->context, recognition, segment);
    restart_in_pause(recognition);
}

static void on_room(void *context)
{
    (void)context;
}

static void fail(struct shared_recognition *recognition, const char *code, const char *problem)
{
    request_abandon(recognition->request);
    recognition->request = NULL;
    recognition->state = RECOGNITION_IDLE;
    recognition->segment_open = recognition->restart_after_end = recognition->end_after_restart =
        false;
    free_backlog(recognition);
    recognition->listener->failed(recognition->context, recognition, code, problem);
}

/* Reports the end before the next request starts, as that may fail. */
static void on_finished(void *context, const struct request_summary *summary)
{
    struct shared_recognition *recognition = context;
    struct hearken_error error;
    (void)summary;
    recognition->request = NULL;
    recognition->state = RECOGNITION_IDLE;
    recognition->segment_open = false;
    if (!recognition->end_after_restart)
        recognition->listener->ended(recognition->context, recognition);
    if (!recognition->restart_after_end)
        return;
    int result = start_with_backlog(recognition, &error);
    if (result < 0) {
        fail(recognition, shared_recognition_error_code(result), error.message);
    } else if (recognition->end_after_restart) {
        recognition->end_after_restart = false;
        end_request(recognition);
    }
}

static void on_failed(void *context, int code, const char *problem)
{
    (void)code;
    struct shared_recognition *recognition = context;
    recognition->request = NULL;
    fail(recognition, "recognition-failed", problem);
}

static const struct request_listener listener = {
    .segment = on_segment,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* ---- Interface ---- */

struct shared_recognition *
shared_recognition_create(struct service *service, const struct request_options *options,
                          const struct shared_recognition_listener *callbacks, void *context)
{
    struct shared_recognition *recognition = calloc(1, sizeof(*recognition));
    if (!recognition)
        return NULL;
    recognition->service = service;
    recognition->listener = callbacks;
    recognition->context = context;
    recognition->options = *options;
    if (!options->stream.custom_words)
        return recognition;
    recognition->custom_words = strdup(options->stream.custom_words);
    recognition->options.stream.custom_words = recognition->custom_words;
    if (recognition->custom_words)
        return recognition;
    free(recognition);
    return NULL;
}

void shared_recognition_destroy(struct shared_recognition *recognition)
{
    if (!recognition)
        return;
    request_abandon(recognition->request);
    free_backlog(recognition);
    free(recognition->custom_words);
    free(recognition);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_option(const struct hearken_option *option,
                           const struct hearken_stream_options *a,
                           const struct hearken_stream_options *b)
{
    const char *left = (const char *)a + option->offset;
    const char *right = (const char *)b + option->offset;
    if (option->type == HEARKEN_OPTION_TEXT)
        return strcmp(left, right) == 0;
    return memcmp(left, right, option->size) == 0;
}

bool shared_recognition_matches(const struct request_options *a, const struct request_options *b)
{
    const struct hearken_option *option;
    for (size_t i = 0; (option = hearken_stream_option(i)); i++)
        if (!is_same_option(option, &a->stream, &b->stream))
            return false;
    return a->stream.alignment == b->stream.alignment && strcmp(a->model, b->model) == 0 &&
           is_same_text(a->stream.custom_words, b->stream.custom_words);
}

int shared_recognition_start(struct shared_recognition *recognition, double time,
                             struct hearken_error *error)
{
    if (recognition->state == RECOGNITION_IDLE)
        return start_request(recognition, time, error);
    if (recognition->state == RECOGNITION_RUNNING)
        return 0;
    recognition->end_after_restart = false;
    if (!recognition->restart_after_end)
        recognition->backlog_start = time;
    recognition->restart_after_end = true;
    return 0;
}

const char *shared_recognition_error_code(int result)
{
    return result == -ENOENT ? "unknown-model" : "out-of-memory";
}

int shared_recognition_write(struct shared_recognition *recognition, const float *samples,
                             size_t count, double time)
{
    recognition->captured_until = time + (double)count / HEARKEN_RATE;
    if (recognition->state == RECOGNITION_RUNNING && request_is_full(recognition->request)) {
        log_warning(recognition->service->log,
                    "microphone: the recogniser is too slow: the segment ends early");
        end_and_restart(recognition, time);
    }
    if (recognition->state == RECOGNITION_RUNNING)
        return write_samples(recognition, samples, count);
    if (recognition->state == RECOGNITION_ENDING && recognition->restart_after_end &&
        !recognition->end_after_restart)
        return queue_samples(recognition, samples, count, time);
    return 0;
}

void shared_recognition_end(struct shared_recognition *recognition)
{
    if (recognition->state == RECOGNITION_RUNNING)
        end_request(recognition);
    else if (recognition->state == RECOGNITION_ENDING && recognition->restart_after_end)
        recognition->end_after_restart = true;
}

void shared_recognition_restart(struct shared_recognition *recognition)
{
    const struct model_entry *entry =
        catalogue_find(&recognition->service->models, recognition->options.model);
    if (entry && recognition->model == entry->model)
        return;
    recognition->restart_pending = true;
    restart_in_pause(recognition);
}
