// SPDX-License-Identifier: MIT
#include "daemon/recognition/request.h"

#include "daemon/recognition/sound_pace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sound that one connection may have recognised before others get their turn. Less would only cost
 * switches; a segment's own recognition cannot be cut anyway. */
#define TURN_SECONDS 1

struct chunk {
    struct chunk *next;
    size_t length, offset; /* bytes, and how many of them are done */
    uint8_t bytes[];
};

struct result {
    struct result *next;
    bool is_mark; /* no segment: how far the audio was recognised */
    double heard; /* seconds, of a mark */
    struct segment_message segment;
};

enum outcome {
    OUTCOME_NONE,
    OUTCOME_FINISHED,
    OUTCOME_FAILED,
    OUTCOME_LOST, /* the device failed */
};

struct request {
    struct work work;

    /* Constant from the start. */
    struct workers *workers;
    struct served_model *model;
    struct request_options options;
    char *words; /* custom words, which the options refer to */
    size_t frame_size, queue_limit;

    /* The loop's. */
    const struct request_listener *listener;
    void *context;
    struct request_totals *totals;
    struct model_waiter waiter;
    bool waits_for_model;

    uint64_t created, audio_ended; /* uv_hrtime; 0: not yet */
    struct sound_pace pace;

    /* The worker's. */
    uint64_t begun, first_text; /* uv_hrtime; 0: not yet */
    uint64_t frames_recognised;
    uint64_t busy_nanoseconds;
    bool out_of_memory;

    uv_mutex_t mutex; /* for all below */
    struct chunk *first_chunk, *last_chunk;
    size_t queued;
    bool is_recording; /* as the pace says */
    bool ended, abandoned;
    bool waits_for_room; /* the loop does */
    bool room;           /* and there is some */
    struct hearken_stream *stream;
    struct result *first_result, *last_result;
    enum outcome outcome;
    int code; /* of a failure */
    struct hearken_error problem;
};

static struct request *request_of(struct work *work)
{
    return (struct request *)((char *)work - offsetof(struct request, work));
}

/* ---- In the worker ---- */

static void append_result(struct request *request, struct result *result)
{
    if (request->first_text == 0 && !result->segment.voice && !result->is_mark)
        request->first_text = uv_hrtime();
    uv_mutex_lock(&request->mutex);
    if (request->last_result)
        request->last_result->next = result;
    else
        request->first_result = result;
    request->last_result = result;
    uv_mutex_unlock(&request->mutex);
    workers_deliver(request->workers, &request->work);
}

static void note_event(void *context, const struct hearken_event *event)
{
    struct request *request = context;
    if (event->type == HEARKEN_EVENT_END)
        return;
    if (event->type == HEARKEN_EVENT_PARTIAL && !request->options.segments)
        return;
    struct result *result = calloc(1, sizeof(*result));
    if (!result || segment_message_init(&result->segment, event, request->options.words,
                                        request->options.origin) < 0) {
        free(result);
        request->out_of_memory = true;
        return;
    }
    append_result(request, result);
}

/* A mark behind the segments so far, or the last one moved on if nothing has come since. */
static void note_heard(struct request *request)
{
    double heard = request->options.origin +
                   (double)request->frames_recognised / request->options.stream.audio.rate;
    uv_mutex_lock(&request->mutex);
    bool moved = request->last_result && request->last_result->is_mark;
    if (moved)
        request->last_result->heard = heard;
    uv_mutex_unlock(&request->mutex);
    struct result *mark = moved ? NULL : calloc(1, sizeof(*mark));
    request->out_of_memory |= !moved && !mark;
    if (!mark)
        return;
    mark->is_mark = true;
    mark->heard = heard;
    append_result(request, mark);
}

static void set_outcome(struct request *request, enum outcome outcome, int code,
                        const struct hearken_error *problem)
{
    uv_mutex_lock(&request->mutex);
    request->outcome = outcome;
    request->code = code;
    if (problem)
        request->problem = *problem;
    uv_mutex_unlock(&request->mutex);
}

static void close_stream(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    struct hearken_stream *stream = request->stream;
    request->stream = NULL;
    uv_mutex_unlock(&request->mutex);
    hearken_stream_destroy(stream);
}

static int open_stream(struct request *request, struct hearken_error *error)
{
    struct hearken_stream *stream;
    int result = hearken_stream_create(request->model->handle, &request->options.stream, note_event,
                                       request, &stream, error);
    if (result < 0)
        return result;
    uv_mutex_lock(&request->mutex);
    request->stream = stream;
    if (request->abandoned)
        hearken_stream_cancel(stream);
    uv_mutex_unlock(&request->mutex);
    return 0;
}

/* Takes what is done off the queue, and looks for more. NULL: there is none now; `ended` says
 * whether there will be. A chunk stays in the list while it is recognised: only the worker removes.
 */
static struct chunk *next_chunk(struct request *request, size_t done, bool *ended)
{
    struct chunk *finished = NULL;
    bool tell = false;
    uv_mutex_lock(&request->mutex);
    struct chunk *chunk = request->first_chunk;
    if (chunk) {
        chunk->offset += done;
        request->queued -= done;
        if (chunk->offset == chunk->length) {
            finished = chunk;
            chunk = request->first_chunk = chunk->next;
            if (!chunk)
                request->last_chunk = NULL;
        }
    }
    if (request->waits_for_room && request->queued < request->queue_limit / 2) {
        request->waits_for_room = false;
        request->room = tell = true;
    }
    *ended = request->ended;
    uv_mutex_unlock(&request->mutex);
    free(finished);
    if (tell)
        workers_deliver(request->workers, &request->work);
    return chunk;
}

/*
 * How late the next `frames` are: seconds of sound in the queue behind them. 0 for a recording: it
 * waits because it is early.
 */
static double seconds_late(struct request *request, size_t frames)
{
    double second = (double)request->frame_size * request->options.stream.audio.rate;
    uv_mutex_lock(&request->mutex);
    double behind = (double)(request->queued - frames * request->frame_size) / second;
    bool is_early = request->is_recording;
    uv_mutex_unlock(&request->mutex);
    return is_early ? 0 : behind;
}

/* Texts of what is no recording do not wait for those of others. */
static void tell_urgency(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    bool is_urgent = !request->is_recording;
    uv_mutex_unlock(&request->mutex);
    hearken_stream_set_urgent(request->stream, is_urgent);
}

/* Recognises what is queued, for one turn. 1: the turn is over, 0: the queue is empty. */
static int recognise_queue(struct request *request, bool *ended, struct hearken_error *error)
{
    size_t turn_frames = (size_t)request->options.stream.audio.rate * TURN_SECONDS;
    struct chunk *chunk = next_chunk(request, 0, ended);
    while (chunk && turn_frames > 0) {
        size_t frames = (chunk->length - chunk->offset) / request->frame_size;
        if (frames > turn_frames)
            frames = turn_frames;
        if (request->options.is_live)
            hearken_stream_set_waiting(request->stream, seconds_late(request, frames));
        int result =
            hearken_stream_write(request->stream, chunk->bytes + chunk->offset, frames, error);
        if (result < 0)
            return result;
        turn_frames -= frames;
        request->frames_recognised += frames;
        if (request->options.heard)
            note_heard(request);
        chunk = next_chunk(request, frames * request->frame_size, ended);
    }
    return chunk ? 1 : 0;
}

static enum work_outcome take_turn(struct request *request, struct hearken_error *error,
                                   int *status)
{
    bool ended = false;
    *status = 0;
    if (!request->stream)
        *status = open_stream(request, error);
    if (*status == 0) {
        tell_urgency(request);
        *status = recognise_queue(request, &ended, error);
    }
    if (*status == 1)
        return WORK_AGAIN;
    if (*status == 0 && !ended && !request->out_of_memory)
        return WORK_SUSPEND;
    if (*status == 0 && !request->out_of_memory)
        *status = hearken_stream_finish(request->stream, error);
    if (*status == 0 && request->out_of_memory) {
        snprintf(error->message, sizeof(error->message), "out of memory");
        *status = -ENOMEM;
    }
    return WORK_END;
}

static bool is_abandoned(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    bool abandoned = request->abandoned;
    uv_mutex_unlock(&request->mutex);
    return abandoned;
}

static enum work_outcome run(struct work *work)
{
    struct request *request = request_of(work);
    uint64_t start = uv_hrtime();
    struct hearken_error error = {"the recogniser failed"};
    enum work_outcome outcome = WORK_END;
    int result = -ECANCELED;
    uint64_t frames = request->frames_recognised;
    if (request->begun == 0)
        request->begun = start;
    if (!is_abandoned(request))
        outcome = take_turn(request, &error, &result);
    if (outcome == WORK_END)
        close_stream(request);
    uint64_t nanoseconds = uv_hrtime() - start;
    request->busy_nanoseconds += nanoseconds;
    work->spent_seconds = (double)nanoseconds * 1e-9;
    work->sound_seconds =
        (double)(request->frames_recognised - frames) / request->options.stream.audio.rate;
    if (outcome == WORK_END && result < 0)
        set_outcome(request, result == -EIO ? OUTCOME_LOST : OUTCOME_FAILED, result, &error);
    else if (outcome == WORK_END)
        set_outcome(request, OUTCOME_FINISHED, 0, NULL);
    return outcome;
}

/* ---- On the loop ---- */

static struct result *take_result(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    struct result *result = request->first_result;
    if (result) {
        request->first_result = result->next;
        if (!request->first_result)
            request->last_result = NULL;
    }
    uv_mutex_unlock(&request->mutex);
    return result;
}

static void free_result(struct result *result)
{
    segment_message_finish(&result->segment);
    free(result);
}

static void deliver(struct work *work)
{
    struct request *request = request_of(work);
    struct result *result;
    while ((result = take_result(request))) {
        if (request->listener && result->is_mark)
            request->listener->heard(request->context, result->heard);
        else if (request->listener)
            request->listener->segment(request->context, &result->segment);
        free_result(result);
    }
    uv_mutex_lock(&request->mutex);
    bool room = request->room;
    request->room = false;
    uv_mutex_unlock(&request->mutex);
    if (room)
        sound_pace_hold(&request->pace, uv_hrtime());
    if (room && request->listener)
        request->listener->room(request->context);
}

static struct request_summary summarise(const struct request *request)
{
    return (struct request_summary){
        .audio_seconds = (double)request->frames_recognised / request->options.stream.audio.rate,
        .busy_seconds = (double)request->busy_nanoseconds * 1e-9,
    };
}

static void free_request(struct request *request)
{
    while (request->first_chunk) {
        struct chunk *next = request->first_chunk->next;
        free(request->first_chunk);
        request->first_chunk = next;
    }
    struct result *result;
    while ((result = take_result(request)))
        free_result(result);
    served_model_release(request->model);
    free(request->words);
    uv_mutex_destroy(&request->mutex);
    free(request);
}

/* Seconds between two times of uv_hrtime; -1: one of them never came. */
static double seconds_between(uint64_t from, uint64_t to)
{
    return from == 0 || to == 0 ? -1 : to < from ? 0 : (double)(to - from) * 1e-9;
}

static void record(const struct request *request, const struct request_summary *summary)
{
    uint64_t now = uv_hrtime();
    request_totals_add(request->totals,
                       &(struct request_record){
                           .model = request->options.model,
                           .protocol = request->options.protocol,
                           .result = !request->listener                     ? REQUEST_ABANDONED
                                     : request->outcome == OUTCOME_FINISHED ? REQUEST_FINISHED
                                                                            : REQUEST_FAILED,
                           .audio_seconds = summary->audio_seconds,
                           .busy_seconds = summary->busy_seconds,
                           .duration = seconds_between(request->created, now),
                           .queue = seconds_between(request->created, request->begun),
                           .first_text = seconds_between(request->created, request->first_text),
                           .final_latency = seconds_between(request->audio_ended, now),
                       });
}

static void ended(struct work *work)
{
    struct request *request = request_of(work);
    struct request_summary summary = summarise(request);
    const struct request_listener *listener = request->listener;
    void *context = request->context;
    struct hearken_error problem = request->problem;
    int code = request->code;
    bool finished = request->outcome == OUTCOME_FINISHED;
    if (request->outcome == OUTCOME_LOST)
        served_model_mark_lost(request->model);
    record(request, &summary);
    free_request(request);
    if (listener && finished)
        listener->finished(context, &summary);
    else if (listener)
        listener->failed(context, code, problem.message);
}

/* ---- The model ---- */

/* A worker cannot do anything without the model. */
static void submit(struct request *request)
{
    if (!request->waits_for_model)
        workers_submit(request->workers, &request->work);
}

static void on_model(void *context)
{
    struct request *request = context;
    request->waits_for_model = false;
    if (request->model->state == SERVED_READY) {
        submit(request);
        return;
    }
    set_outcome(request, OUTCOME_FAILED, -EIO, &request->model->problem);
    ended(&request->work);
}

static void wait_for_model(struct request *request)
{
    if (request->model->state != SERVED_LOADING)
        return;
    request->waits_for_model = true;
    request->waiter = (struct model_waiter){.settled = on_model, .context = request};
    served_model_wait(request->model, &request->waiter);
}

/* ---- Interface ---- */

struct request *request_create(struct workers *workers, struct served_model *model,
                               const struct request_options *options, size_t queue_limit,
                               const struct request_listener *listener, void *context,
                               struct request_totals *totals)
{
    size_t frame_size = hearken_audio_frame_size(&options->stream.audio);
    const char *words = options->stream.custom_words;
    struct request *request = calloc(1, sizeof(*request));
    if (!request || frame_size == 0 || (words && !(request->words = strdup(words))) ||
        uv_mutex_init(&request->mutex) < 0) {
        if (request)
            free(request->words);
        free(request);
        served_model_release(model);
        return NULL;
    }
    request->work.run = run;
    request->work.deliver = deliver;
    request->work.ended = ended;
    request->work.is_urgent = true;
    request->workers = workers;
    request->model = model;
    request->options = *options;
    request->options.stream.custom_words = request->words;
    request->frame_size = frame_size;
    request->queue_limit = queue_limit;
    request->listener = listener;
    request->context = context;
    request->totals = totals;
    request->created = uv_hrtime();
    totals->running++;
    wait_for_model(request);
    return request;
}

/* A recording may wait. The daemon's microphone is none, however fast what was kept of it comes. */
static void note_pace(struct request *request, size_t length)
{
    double second = (double)request->frame_size * request->options.stream.audio.rate;
    bool before = request->pace.is_recording;
    if (request->options.from_microphone)
        return;
    sound_pace_add(&request->pace, (double)length / second, uv_hrtime());
    bool is_recording = request->pace.is_recording;
    if (is_recording == before)
        return;
    uv_mutex_lock(&request->mutex);
    request->is_recording = is_recording;
    uv_mutex_unlock(&request->mutex);
    workers_set_urgent(request->workers, &request->work, !is_recording);
}

int request_write(struct request *request, const uint8_t *samples, size_t length)
{
    if (length == 0)
        return 0;
    struct chunk *chunk = malloc(sizeof(*chunk) + length);
    if (!chunk)
        return -ENOMEM;
    *chunk = (struct chunk){.length = length};
    memcpy(chunk->bytes, samples, length);
    note_pace(request, length);
    uv_mutex_lock(&request->mutex);
    if (request->last_chunk)
        request->last_chunk->next = chunk;
    else
        request->first_chunk = chunk;
    request->last_chunk = chunk;
    request->queued += length;
    uv_mutex_unlock(&request->mutex);
    submit(request);
    return 0;
}

bool request_is_full(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    bool full = request->queued >= request->queue_limit;
    request->waits_for_room = full;
    uv_mutex_unlock(&request->mutex);
    if (full)
        sound_pace_hold(&request->pace, uv_hrtime());
    return full;
}

void request_end(struct request *request)
{
    uv_mutex_lock(&request->mutex);
    request->ended = true;
    uv_mutex_unlock(&request->mutex);
    request->audio_ended = uv_hrtime();
    submit(request);
}

void request_abandon(struct request *request)
{
    if (!request)
        return;
    request->listener = NULL;
    /* A client may have many refused while all workers are busy: none of them is to wait there. */
    if (workers_withdraw(request->workers, &request->work)) {
        if (request->waits_for_model)
            served_model_stop_waiting(request->model, &request->waiter);
        ended(&request->work);
        return;
    }
    uv_mutex_lock(&request->mutex);
    request->abandoned = true;
    if (request->stream)
        hearken_stream_cancel(request->stream);
    uv_mutex_unlock(&request->mutex);
    submit(request);
}
