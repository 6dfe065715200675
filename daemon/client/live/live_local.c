// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_local.h"

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/signals.h"
#include "daemon/common/installed_hint.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_SAMPLES     1600u /* a tenth of a second */
#define WAIT_MILLISECONDS 100
#define PARTIAL_SECONDS   0.64f

/* One thread reads and recognises: the capture buffers audio meanwhile. */
struct listening {
    const struct live_local *options;
    struct hearken_model *model;
    struct hearken_capture *capture;
    struct hearken_stream *stream;
    int result;        /* the first error of the callback */
    uint64_t position; /* samples read */
    double energy;     /* sum of squares since the last level event */
    float peak;
    size_t count;
};

static double now(const struct listening *listening)
{
    return (double)listening->position / HEARKEN_RATE;
}

static void report(struct listening *listening, const struct live_event *event)
{
    const struct live_local *options = listening->options;
    if (listening->result == 0)
        listening->result = options->callback(options->context, event);
}

/* ---- Events ---- */

static void on_capture_event(void *context, const struct hearken_capture_event *event)
{
    report(context, &(struct live_event){.type = LIVE_CAPTURE, .capture = event});
}

static void report_text(struct listening *listening, const struct hearken_event *event)
{
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment = transcript_add(&transcript, event->text);
    if (segment && transcript_segment_read_event(segment, event) == 0)
        report(listening,
               &(struct live_event){
                   .type = event->type == HEARKEN_EVENT_FINAL ? LIVE_FINAL : LIVE_PARTIAL,
                   .segment = segment,
                   .committed = event->committed,
               });
    else if (listening->result == 0)
        listening->result = -ENOMEM;
    transcript_finish(&transcript);
}

static void on_event(void *context, const struct hearken_event *event)
{
    switch (event->type) {
    case HEARKEN_EVENT_PARTIAL:
    case HEARKEN_EVENT_FINAL:
        report_text(context, event);
        break;
    case HEARKEN_EVENT_VOICE_STARTED:
        report(context, &(struct live_event){.type = LIVE_VOICE_STARTED, .time = event->start});
        break;
    case HEARKEN_EVENT_VOICE_STOPPED:
        report(context, &(struct live_event){.type = LIVE_VOICE_STOPPED, .time = event->start});
        break;
    case HEARKEN_EVENT_END:
        break;
    }
}

static void report_level(struct listening *listening, const float *samples, size_t count)
{
    struct live_event event = {.type = LIVE_LEVEL, .time = now(listening)};
    hearken_level_measure(samples, count, &event.level);
    listening->energy += (double)event.level.rms * (double)event.level.rms * (double)count;
    listening->peak = fmaxf(listening->peak, event.level.peak);
    listening->count += count;
    if (listening->count < BLOCK_SAMPLES)
        return;
    event.level.rms = (float)sqrt(listening->energy / (double)listening->count);
    event.level.peak = listening->peak;
    listening->energy = 0;
    listening->peak = 0;
    listening->count = 0;
    report(listening, &event);
}

/* ---- Listening ---- */

/* Reads and recognises a block. Returns the number of samples. */
static long recognise_block(struct listening *listening, int milliseconds,
                            struct hearken_error *error)
{
    float samples[BLOCK_SAMPLES];
    long count =
        hearken_capture_read(listening->capture, samples, BLOCK_SAMPLES, milliseconds, error);
    if (count <= 0)
        return count;
    listening->position += (uint64_t)count;
    report_level(listening, samples, (size_t)count);
    int result = hearken_stream_write(listening->stream, samples, (size_t)count, error);
    return result < 0 ? result : count;
}

static int listen_until_interrupted(struct listening *listening, struct hearken_error *error)
{
    const struct live_local *options = listening->options;
    long count = 0;
    while (count >= 0 && listening->result == 0 && !signals_are_due(options->interrupt)) {
        if (signals_consume(options->resize))
            options->resized(options->context);
        count = recognise_block(listening, WAIT_MILLISECONDS, error);
    }
    /* Audio captured before the interrupt that is still buffered. */
    while (count > 0 && listening->result == 0)
        count = recognise_block(listening, 0, error);
    if (count >= 0 && listening->result == 0)
        count = hearken_stream_finish(listening->stream, error);
    return count < 0 ? (int)count : 0;
}

static int open_stream(struct listening *listening, struct hearken_error *error)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.partial_seconds = PARTIAL_SECONDS;
    options.endpointing = options.voice_events = true;
    stream_settings_apply(listening->options->settings, &options);
    return hearken_stream_create(listening->model, &options, on_event, listening,
                                 &listening->stream, error);
}

static int open_model(struct listening *listening, struct hearken_error *error)
{
    const struct live_local *options = listening->options;
    char path[PATH_MAX];
    if (!hearken_find_model(options->model, path, sizeof(path)))
        return hearken_fail(error, -ENAMETOOLONG, "the model's path is too long");
    struct signals_default opening;
    signals_default_begin(&opening);
    int result = hearken_model_open(path, &options->backend, &listening->model, error);
    signals_default_end(&opening);
    if (result < 0)
        installed_hint_add(path, result, error);
    return result;
}

int live_local_listen(const struct live_local *options, struct hearken_error *error)
{
    struct listening listening = {.options = options};
    int result = open_model(&listening, error);
    if (result < 0)
        return result;
    result = open_stream(&listening, error);
    if (result < 0)
        goto destroy_model;
    result = hearken_capture_open(&options->capture, on_capture_event, &listening,
                                  &listening.capture, error);
    if (result == 0) {
        result = listen_until_interrupted(&listening, error);
        hearken_capture_destroy(listening.capture);
    }
    hearken_stream_destroy(listening.stream);

destroy_model:
    hearken_model_destroy(listening.model);
    if (listening.result == -ENOMEM)
        hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    return listening.result < 0 ? listening.result : result;
}
