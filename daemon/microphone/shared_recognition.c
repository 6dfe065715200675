// SPDX-License-Identifier: MIT
#include "daemon/microphone/shared_recognition.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct request_listener listener;

static size_t queue_limit(const struct shared_recognition *hearing)
{
    return (size_t)hearing->service->settings.audio_queue_kib * 1024;
}

/* ---- Sound ---- */

/* A request takes little endian samples. */
static int write_samples(struct shared_recognition *hearing, const float *samples, size_t count)
{
    uint32_t block[1024];
    const size_t room = sizeof(block) / sizeof(*block);
    for (size_t done = 0; done < count;) {
        size_t now = count - done < room ? count - done : room;
        memcpy(block, samples + done, now * sizeof(*block));
        for (size_t i = 0; i < now; i++)
            block[i] = htole32(block[i]);
        if (request_write(hearing->request, (const uint8_t *)block, now * sizeof(*block)) < 0)
            return -ENOMEM;
        done += now;
    }
    return 0;
}

static int keep(struct shared_recognition *hearing, const float *samples, size_t count, double time)
{
    if ((hearing->kept_count + count) * sizeof(float) > queue_limit(hearing)) {
        log_warning(hearing->service->log, "listening: the recogniser is too slow: %.1f s lost",
                    (double)hearing->kept_count / HEARKEN_RATE);
        hearing->kept_count = 0;
    }
    if (hearing->kept_count == 0)
        hearing->kept_from = time;
    if (hearing->kept_count + count > hearing->kept_room) {
        size_t room = 2 * (hearing->kept_count + count);
        float *grown = realloc(hearing->kept, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        hearing->kept = grown;
        hearing->kept_room = room;
    }
    memcpy(hearing->kept + hearing->kept_count, samples, count * sizeof(*samples));
    hearing->kept_count += count;
    return 0;
}

static void forget_kept(struct shared_recognition *hearing)
{
    free(hearing->kept);
    hearing->kept = NULL;
    hearing->kept_count = hearing->kept_room = 0;
}

/* ---- Beginning and ending ---- */

static int begin(struct shared_recognition *hearing, double time, struct hearken_error *error)
{
    struct service *service = hearing->service;
    const char *name = hearing->options.model;
    struct served_model *model = catalogue_take(&service->models, name);
    if (!model && !catalogue_find(&service->models, name))
        return hearken_fail(error, -ENOENT, "model %s is not in the configuration any more", name);
    if (!model)
        return hearken_fail(error, -ENOMEM, "out of memory for a model");
    hearing->options.origin = hearing->until = time;
    hearing->model = model;
    hearing->request = request_create(service->workers, model, &hearing->options,
                                      queue_limit(hearing), &listener, hearing, &service->totals);
    if (!hearing->request)
        return hearken_fail(error, -ENOMEM, "out of memory for a request");
    hearing->state = HEARING_RUNNING;
    hearing->open = hearing->renewed = false;
    return 0;
}

static void end_request(struct shared_recognition *hearing)
{
    hearing->state = HEARING_ENDING;
    request_end(hearing->request);
}

/* The sound that came while the last request ended. */
static int begin_with_kept(struct shared_recognition *hearing, struct hearken_error *error)
{
    double until = hearing->until;
    int result = begin(hearing, hearing->kept_from, error);
    if (result == 0 && write_samples(hearing, hearing->kept, hearing->kept_count) < 0)
        result = hearken_fail(error, -ENOMEM, "out of memory for sound");
    hearing->until = until;
    forget_kept(hearing);
    hearing->again = false;
    return result;
}

static void end_and_begin_again(struct shared_recognition *hearing, double time)
{
    end_request(hearing);
    hearing->again = true;
    hearing->kept_from = time;
}

/* ---- What a request tells ---- */

static void renew_in_a_pause(struct shared_recognition *hearing)
{
    if (!hearing->renewed || hearing->open || hearing->state != HEARING_RUNNING)
        return;
    hearing->renewed = false;
    end_and_begin_again(hearing, hearing->until);
}

static void on_segment(void *context, const struct heard_segment *segment)
{
    struct shared_recognition *hearing = context;
    if (segment->voice)
        hearing->open = strcmp(segment->event, "voice-started") == 0;
    else if (segment->final)
        hearing->open = false;
    else
        hearing->open = true;
    hearing->listener->segment(hearing->context, hearing, segment);
    renew_in_a_pause(hearing);
}

static void on_room(void *context)
{
    (void)context;
}

static void fail(struct shared_recognition *hearing, const char *code, const char *problem)
{
    request_abandon(hearing->request);
    hearing->request = NULL;
    hearing->state = HEARING_IDLE;
    hearing->open = hearing->again = hearing->then_end = false;
    forget_kept(hearing);
    hearing->listener->failed(hearing->context, hearing, code, problem);
}

/* Those whose part has ended are told before the next one begins, which may fail. */
static void on_finished(void *context, const struct request_summary *summary)
{
    struct shared_recognition *hearing = context;
    struct hearken_error error;
    (void)summary;
    hearing->request = NULL;
    hearing->state = HEARING_IDLE;
    hearing->open = false;
    if (!hearing->then_end)
        hearing->listener->ended(hearing->context, hearing);
    if (!hearing->again)
        return;
    int result = begin_with_kept(hearing, &error);
    if (result < 0) {
        fail(hearing, hearing_error_code(result), error.message);
    } else if (hearing->then_end) {
        hearing->then_end = false;
        end_request(hearing);
    }
}

static void on_failed(void *context, const char *problem)
{
    struct shared_recognition *hearing = context;
    hearing->request = NULL;
    fail(hearing, "recognition-failed", problem);
}

static const struct request_listener listener = {
    .segment = on_segment,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* ---- Interface ---- */

struct shared_recognition *shared_recognition_create(struct service *service,
                                                     const struct request_options *options,
                                                     const struct shared_recognition_listener *told,
                                                     void *context)
{
    struct shared_recognition *hearing = calloc(1, sizeof(*hearing));
    if (!hearing)
        return NULL;
    hearing->service = service;
    hearing->listener = told;
    hearing->context = context;
    hearing->options = *options;
    if (!options->stream.custom_words)
        return hearing;
    hearing->words = strdup(options->stream.custom_words);
    hearing->options.stream.custom_words = hearing->words;
    if (hearing->words)
        return hearing;
    free(hearing);
    return NULL;
}

void shared_recognition_destroy(struct shared_recognition *hearing)
{
    if (!hearing)
        return;
    request_abandon(hearing->request);
    forget_kept(hearing);
    free(hearing->words);
    free(hearing);
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

int shared_recognition_start(struct shared_recognition *hearing, double time,
                             struct hearken_error *error)
{
    if (hearing->state == HEARING_IDLE)
        return begin(hearing, time, error);
    if (hearing->state == HEARING_RUNNING)
        return 0;
    hearing->then_end = false;
    if (!hearing->again)
        hearing->kept_from = time;
    hearing->again = true;
    return 0;
}

const char *hearing_error_code(int result)
{
    return result == -ENOENT ? "unknown-model" : "out-of-memory";
}

int shared_recognition_write(struct shared_recognition *hearing, const float *samples, size_t count,
                             double time)
{
    hearing->until = time + (double)count / HEARKEN_RATE;
    if (hearing->state == HEARING_RUNNING && request_is_full(hearing->request)) {
        log_warning(hearing->service->log, "listening: the recogniser is slow: the segment is cut");
        end_and_begin_again(hearing, time);
    }
    if (hearing->state == HEARING_RUNNING)
        return write_samples(hearing, samples, count);
    if (hearing->state == HEARING_ENDING && hearing->again && !hearing->then_end)
        return keep(hearing, samples, count, time);
    return 0;
}

void shared_recognition_end(struct shared_recognition *hearing)
{
    if (hearing->state == HEARING_RUNNING)
        end_request(hearing);
    else if (hearing->state == HEARING_ENDING && hearing->again)
        hearing->then_end = true;
}

void shared_recognition_restart(struct shared_recognition *hearing)
{
    const struct model_entry *entry =
        catalogue_find(&hearing->service->models, hearing->options.model);
    if (entry && hearing->model == entry->model)
        return;
    hearing->renewed = true;
    renew_in_a_pause(hearing);
}
