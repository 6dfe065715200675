// SPDX-License-Identifier: MIT
#include "conversation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio_format.h"
#include "info.h"
#include "live.h"

enum input {
    INPUT_DESCRIBE,
    INPUT_PING,
    INPUT_STATUS,
    INPUT_SELECT_PROGRAM,
    INPUT_TRANSCRIBE,
    INPUT_AUDIO_START,
    INPUT_AUDIO_CHUNK,
    INPUT_AUDIO_STOP,
    INPUT_LISTEN,
    INPUT_LISTEN_STOP,
    INPUT_START,
    INPUT_STOP,
    INPUT_TOGGLE,
    INPUTS,
};

static const char *const input_types[INPUTS] = {
    [INPUT_DESCRIBE] = "describe",       [INPUT_PING] = "ping",
    [INPUT_STATUS] = "hearken-status",   [INPUT_SELECT_PROGRAM] = "select-program",
    [INPUT_TRANSCRIBE] = "transcribe",   [INPUT_AUDIO_START] = "audio-start",
    [INPUT_AUDIO_CHUNK] = "audio-chunk", [INPUT_AUDIO_STOP] = "audio-stop",
    [INPUT_LISTEN] = "hearken-listen",   [INPUT_LISTEN_STOP] = "hearken-listen-stop",
    [INPUT_START] = "hearken-start",     [INPUT_STOP] = "hearken-stop",
    [INPUT_TOGGLE] = "hearken-toggle",
};

static const char *const state_names[CONVERSATION_STATES] = {
    [CONVERSATION_IDLE] = "no request was made",
    [CONVERSATION_REQUESTED] = "audio is expected",
    [CONVERSATION_LISTENING] = "audio is coming",
    [CONVERSATION_FINISHING] = "the transcript is being made",
    [CONVERSATION_REFUSED] = "the request was refused",
    [CONVERSATION_SUBSCRIBED] = "the microphone is listened to",
    [CONVERSATION_LEAVING] = "the last segment is being made",
};

typedef enum conversation_verdict handler(struct conversation *conversation,
                                          const struct wyoming_event *event);

/* ---- Sending ---- */

static void send_event(struct conversation *conversation, const char *type, json_t *data)
{
    conversation->peer->send(conversation->context, type, data, NULL, 0);
}

void conversation_send_error(const struct conversation_peer *peer, void *context, const char *code,
                             const char *text)
{
    peer->send(context, "error",
               json_pack("{s:o, s:s}", "text", json_from_text(text), "code", code), NULL, 0);
}

static void send_error(struct conversation *conversation, const char *code, const char *text)
{
    log_info(conversation->service->log, "connection %u: %s: %s", conversation->id, code, text);
    conversation_send_error(conversation->peer, conversation->context, code, text);
}

/* The language goes along only if the client named one. */
static json_t *with_language(const struct conversation *conversation, json_t *data)
{
    if (*conversation->transcribe.language != '\0')
        json_object_set_new(data, "language", json_string(conversation->transcribe.language));
    return data;
}

static void send_start(struct conversation *conversation)
{
    if (conversation->started)
        return;
    conversation->started = true;
    send_event(conversation, "transcript-start", with_language(conversation, json_object()));
}

/* Chunks joined without anything between them are the transcript. */
static void send_chunk(struct conversation *conversation, const char *separator, const char *text)
{
    char *chunk;
    send_start(conversation);
    if (asprintf(&chunk, "%s%s", separator, text) < 0)
        chunk = NULL;
    json_t *value = chunk != NULL ? json_from_text(chunk) : NULL;
    send_event(conversation, "transcript-chunk", json_pack("{s:o}", "text", value));
    free(chunk);
}

/* ---- A request's life ---- */

static void forget_request(struct conversation *conversation)
{
    request_abandon(conversation->request);
    conversation->request = NULL;
    json_decref(conversation->segments);
    conversation->segments = NULL;
    free(conversation->text);
    conversation->text = NULL;
    conversation->started = false;
    conversation->frames = 0;
}

/* Answers a request with an error; the connection goes on. */
static enum conversation_verdict __attribute__((format(printf, 3, 4)))
refuse(struct conversation *conversation, const char *code, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    forget_request(conversation);
    bool over = conversation->state == CONVERSATION_FINISHING;
    conversation->state = over ? CONVERSATION_IDLE : CONVERSATION_REFUSED;
    send_error(conversation, code, text);
    return CONVERSATION_GO_ON;
}

/* The segment without what came as a payload. */
static json_t *plain_segment(const struct heard_segment *segment)
{
    json_t *copy = json_copy(segment->data);
    json_object_del(copy, "alignment");
    return copy;
}

/* Joins a segment's text to the transcript, and tells the client. */
static int join_text(struct conversation *conversation, const char *text)
{
    const char *separator = conversation->text != NULL ? " " : "";
    if (*text == '\0')
        return 0;
    char *joined;
    if (asprintf(&joined, "%s%s%s", conversation->text != NULL ? conversation->text : "", separator,
                 text) < 0)
        return -ENOMEM;
    free(conversation->text);
    conversation->text = joined;
    send_chunk(conversation, separator, text);
    return 0;
}

static void on_segment(void *context, const struct heard_segment *segment)
{
    struct conversation *conversation = context;
    const struct transcribe *transcribe = &conversation->transcribe;
    int status = 0;
    if (transcribe->options.segments || segment->voice)
        conversation->peer->send(conversation->context, segment->event, json_incref(segment->data),
                                 segment->weights, segment->weights_length);
    if (!segment->final)
        return;
    if (transcribe->extended)
        status = json_array_append_new(conversation->segments, plain_segment(segment));
    if (status == 0)
        status = join_text(conversation, json_string_value(json_object_get(segment->data, "text")));
    if (status < 0) {
        refuse(conversation, "out-of-memory", "out of memory for the transcript");
        conversation->peer->resume(conversation->context);
    }
}

static void on_room(void *context)
{
    struct conversation *conversation = context;
    conversation->peer->resume(conversation->context);
}

static void send_transcript(struct conversation *conversation,
                            const struct request_summary *summary)
{
    const char *text = conversation->text != NULL ? conversation->text : "";
    json_t *data = with_language(conversation, json_pack("{s:o}", "text", json_from_text(text)));
    if (conversation->transcribe.extended) {
        json_object_set(data, "segments", conversation->segments);
        json_object_set_new(data, "audio_seconds", json_real(summary->audio_seconds));
        json_object_set_new(data, "recognition_seconds", json_real(summary->busy_seconds));
    }
    if (!conversation->started)
        send_chunk(conversation, "", "");
    send_event(conversation, "transcript", data);
    send_event(conversation, "transcript-stop", json_object());
}

static void on_finished(void *context, const struct request_summary *summary)
{
    struct conversation *conversation = context;
    log_info(conversation->service->log,
             "connection %u: transcribed %.1f s in %.2f s of a worker: %zu characters",
             conversation->id, summary->audio_seconds, summary->busy_seconds,
             conversation->text != NULL ? strlen(conversation->text) : 0);
    conversation->request = NULL;
    conversation->state = CONVERSATION_IDLE;
    send_transcript(conversation, summary);
    forget_request(conversation);
    conversation->peer->resume(conversation->context);
}

static void on_failed(void *context, const char *problem)
{
    struct conversation *conversation = context;
    conversation->request = NULL;
    refuse(conversation, "recognition-failed", "%s", problem);
    conversation->peer->resume(conversation->context);
}

static const struct request_listener listener = {
    .segment = on_segment,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* ---- Audio ---- */

static enum conversation_verdict begin_audio(struct conversation *conversation,
                                             const struct wyoming_event *event)
{
    struct service *service = conversation->service;
    struct request_options *options = &conversation->transcribe.options;
    struct hearken_error error;
    if (audio_format_read(event, NULL, &options->stream.audio, &error) < 0)
        return refuse(conversation, "bad-format", "%s", error.message);
    if (!options->segments)
        options->stream.partial_seconds = 0; /* nobody would see them */
    conversation->frame_size = hearken_audio_frame_size(&options->stream.audio);
    conversation->segments = json_array();
    conversation->request = request_create(service->workers, service->model, options,
                                           (size_t)service->settings.audio_queue_kib * 1024,
                                           &listener, conversation, &service->totals);
    if (conversation->request == NULL || conversation->segments == NULL)
        return refuse(conversation, "out-of-memory", "out of memory for a request");
    conversation->state = CONVERSATION_LISTENING;
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict take_samples(struct conversation *conversation,
                                              const struct wyoming_event *event)
{
    const struct hearken_audio_format *audio = &conversation->transcribe.options.stream.audio;
    size_t frames = event->payload_length / conversation->frame_size;
    float limit = conversation->service->settings.audio_seconds;
    if (event->payload_length % conversation->frame_size != 0)
        return refuse(conversation, "bad-value",
                      "audio-chunk: %zu bytes are no whole number of frames of %zu bytes",
                      event->payload_length, conversation->frame_size);
    conversation->frames += frames;
    if ((double)conversation->frames / audio->rate > (double)limit)
        return refuse(conversation, "too-long", "more than %g seconds of audio in one request",
                      (double)limit);
    if (request_write(conversation->request, event->payload, event->payload_length) < 0)
        return refuse(conversation, "out-of-memory", "out of memory for audio");
    return CONVERSATION_GO_ON;
}

/* ---- Handlers: what each event does in the states that allow it ---- */

static enum conversation_verdict describe(struct conversation *conversation,
                                          const struct wyoming_event *event)
{
    (void)event;
    send_event(conversation, "info", info_describe(conversation->service));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict pong(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    json_t *text = json_object_get(event->data, "text");
    send_event(conversation, "pong", json_pack("{s:O}", "text", text != NULL ? text : json_null()));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict tell_status(struct conversation *conversation,
                                             const struct wyoming_event *event)
{
    (void)event;
    send_event(conversation, "hearken-status", info_status(conversation->service));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict select_program(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    const char *name = json_string_value(json_object_get(event->data, "name"));
    if (name != NULL && strcmp(name, PROGRAM_NAME) == 0)
        return CONVERSATION_GO_ON;
    send_error(conversation, "unknown-program",
               "select-program: name: the only program is " PROGRAM_NAME);
    return CONVERSATION_CLOSE;
}

static enum conversation_verdict refuse_drain(struct conversation *conversation)
{
    send_error(conversation, "shutting-down", "hearkend is shutting down");
    return CONVERSATION_CLOSE;
}

static enum conversation_verdict transcribe(struct conversation *conversation,
                                            const struct wyoming_event *event)
{
    const char *code;
    struct hearken_error error;
    if (conversation->service->draining)
        return refuse_drain(conversation);
    if (transcribe_parse(&conversation->transcribe, event->data, conversation->service, &code,
                         &error) < 0)
        return refuse(conversation, code, "transcribe: %s", error.message);
    conversation->state = CONVERSATION_REQUESTED;
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict start(struct conversation *conversation,
                                       const struct wyoming_event *event)
{
    return begin_audio(conversation, event);
}

/* Without transcribe: the defaults. */
static enum conversation_verdict start_plainly(struct conversation *conversation,
                                               const struct wyoming_event *event)
{
    if (conversation->service->draining)
        return refuse_drain(conversation);
    transcribe_init(&conversation->transcribe, &conversation->service->settings);
    return begin_audio(conversation, event);
}

static enum conversation_verdict hear(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    const struct hearken_audio_format *audio = &conversation->transcribe.options.stream.audio;
    struct hearken_audio_format format;
    struct hearken_error error;
    if (audio_format_read(event, audio, &format, &error) < 0)
        return refuse(conversation, "bad-format", "%s", error.message);
    if (format.rate != audio->rate || format.channels != audio->channels ||
        format.type != audio->type)
        return refuse(conversation, "format-changed",
                      "audio-chunk: the format changed from rate %" PRIu32 ", width %" PRIu32
                      ", channels %" PRIu32 " to %" PRIu32 ", %" PRIu32 ", %" PRIu32,
                      audio->rate, audio_format_width(audio->type), audio->channels, format.rate,
                      audio_format_width(format.type), format.channels);
    return take_samples(conversation, event);
}

/* A chunk without audio-start: its own format starts the audio. */
static enum conversation_verdict start_and_hear(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    enum conversation_verdict verdict = begin_audio(conversation, event);
    if (conversation->state != CONVERSATION_LISTENING)
        return verdict;
    return take_samples(conversation, event);
}

static enum conversation_verdict start_plainly_and_hear(struct conversation *conversation,
                                                        const struct wyoming_event *event)
{
    enum conversation_verdict verdict = start_plainly(conversation, event);
    if (conversation->state != CONVERSATION_LISTENING)
        return verdict;
    return take_samples(conversation, event);
}

static enum conversation_verdict stop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)event;
    conversation->state = CONVERSATION_FINISHING;
    request_end(conversation->request);
    return CONVERSATION_GO_ON;
}

/* transcribe, then audio-stop: nothing to hear. */
static enum conversation_verdict answer_nothing(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    static const struct request_summary nothing = {0};
    (void)event;
    conversation->state = CONVERSATION_IDLE;
    conversation->segments = json_array();
    send_transcript(conversation, &nothing);
    forget_request(conversation);
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict drop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)conversation;
    (void)event;
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict drop_last(struct conversation *conversation,
                                           const struct wyoming_event *event)
{
    (void)event;
    conversation->state = CONVERSATION_IDLE;
    return CONVERSATION_GO_ON;
}

/* ---- The microphone ---- */

static enum conversation_verdict subscribe(struct conversation *conversation,
                                           const struct wyoming_event *event)
{
    const char *code;
    struct hearken_error error;
    if (conversation->service->draining)
        return refuse_drain(conversation);
    if (conversation_listen(conversation, event, &code, &error) == 0)
        return CONVERSATION_GO_ON;
    conversation->state = CONVERSATION_IDLE; /* no audio is to come */
    send_error(conversation, code, error.message);
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict leave(struct conversation *conversation,
                                       const struct wyoming_event *event)
{
    (void)event;
    conversation_leave(conversation);
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict switch_hearing(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    struct hearken_error error;
    if (conversation_switch(conversation, event, &error) < 0)
        send_error(conversation, "not-allowed", error.message);
    return CONVERSATION_GO_ON;
}

/* The next request, sent ahead of the transcript of this one. */
static enum conversation_verdict wait_turn(struct conversation *conversation,
                                           const struct wyoming_event *event)
{
    (void)conversation;
    (void)event;
    return CONVERSATION_WAIT;
}

static enum conversation_verdict wrong_state(struct conversation *conversation,
                                             const struct wyoming_event *event)
{
    char text[200];
    snprintf(text, sizeof text, "%s: unexpected: %s", event->type,
             state_names[conversation->state]);
    forget_request(conversation);
    live_forget(conversation->service->live, &conversation->subscriber);
    conversation->state = CONVERSATION_REFUSED;
    send_error(conversation, "wrong-state", text);
    return CONVERSATION_CLOSE;
}

static handler *const handlers[CONVERSATION_STATES][INPUTS] = {
    [CONVERSATION_IDLE] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = select_program,
            [INPUT_TRANSCRIBE] = transcribe,
            [INPUT_AUDIO_START] = start_plainly,
            [INPUT_AUDIO_CHUNK] = start_plainly_and_hear,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = subscribe,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_REQUESTED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wrong_state,
            [INPUT_AUDIO_START] = start,
            [INPUT_AUDIO_CHUNK] = start_and_hear,
            [INPUT_AUDIO_STOP] = answer_nothing,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_LISTENING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wrong_state,
            [INPUT_AUDIO_START] = wrong_state,
            [INPUT_AUDIO_CHUNK] = hear,
            [INPUT_AUDIO_STOP] = stop,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_FINISHING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wait_turn,
            [INPUT_AUDIO_START] = wait_turn,
            [INPUT_AUDIO_CHUNK] = wait_turn,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = wait_turn,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_REFUSED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = transcribe,
            [INPUT_AUDIO_START] = drop,
            [INPUT_AUDIO_CHUNK] = drop,
            [INPUT_AUDIO_STOP] = drop_last,
            [INPUT_LISTEN] = subscribe,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_SUBSCRIBED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wrong_state,
            [INPUT_AUDIO_START] = wrong_state,
            [INPUT_AUDIO_CHUNK] = wrong_state,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = leave,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
    [CONVERSATION_LEAVING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = tell_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wait_turn,
            [INPUT_AUDIO_START] = wait_turn,
            [INPUT_AUDIO_CHUNK] = wait_turn,
            [INPUT_AUDIO_STOP] = wait_turn,
            [INPUT_LISTEN] = wait_turn,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_hearing,
            [INPUT_STOP] = switch_hearing,
            [INPUT_TOGGLE] = switch_hearing,
        },
};

/* ---- Interface ---- */

void conversation_init(struct conversation *conversation, struct service *service,
                       const struct conversation_peer *peer, void *context, unsigned id, bool local)
{
    *conversation = (struct conversation){
        .service = service,
        .peer = peer,
        .context = context,
        .id = id,
        .local = local,
    };
}

void conversation_finish(struct conversation *conversation)
{
    forget_request(conversation);
    live_forget(conversation->service->live, &conversation->subscriber);
}

enum conversation_verdict conversation_handle(struct conversation *conversation,
                                              const struct wyoming_event *event)
{
    for (unsigned input = 0; input < INPUTS; input++)
        if (strcmp(event->type, input_types[input]) == 0)
            return handlers[conversation->state][input](conversation, event);
    /* Wyoming: events that are not known are to be dropped. */
    log_debug(conversation->service->log, "connection %u: %.60s: not known, dropped",
              conversation->id, event->type);
    return CONVERSATION_GO_ON;
}

bool conversation_is_full(struct conversation *conversation)
{
    return conversation->state == CONVERSATION_LISTENING && request_is_full(conversation->request);
}
