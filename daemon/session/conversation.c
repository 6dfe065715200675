// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"
#include "daemon/recognition/request_options.h"
#include "daemon/session/conversation_private.h"
#include "daemon/session/info.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Callbacks of the subscription ---- */

static void on_send(void *context, const char *type, json_t *data, const void *payload,
                    size_t payload_length)
{
    struct conversation *conversation = context;
    conversation->peer->send(conversation->context, type, data, payload, payload_length);
}

static void on_subscription_ended(void *context, const char *code, const char *problem)
{
    struct conversation *conversation = context;
    conversation->state = CONVERSATION_IDLE;
    if (!problem)
        conversation_send(conversation, "hearken-listen-stopped", json_object());
    else
        conversation_report_error(conversation, code, problem);
    conversation->peer->resume(conversation->context);
}

static const struct subscriber_peer as_subscriber = {
    .send = on_send,
    .ended = on_subscription_ended,
};

/* ---- Listening ---- */

static int check_permission(const struct conversation *conversation, struct hearken_error *error)
{
    const struct settings *settings = &conversation->service->settings;
    if (settings->capture_clients == CAPTURE_ALL ||
        (settings->capture_clients == CAPTURE_LOCAL && conversation->local))
        return 0;
    return hearken_fail(error, -EPERM,
                        settings->capture_clients == CAPTURE_NONE
                            ? "clients may not use the microphone (capture.clients is none)"
                            : "only clients on the Unix socket may use the microphone "
                              "(capture.clients is local)");
}

static void conversation_init_subscriber(struct conversation *conversation)
{
    conversation->subscriber = (struct subscriber){
        .peer = &as_subscriber,
        .context = conversation,
        .transcribe = &conversation->transcribe,
    };
}

/* hearken-listen: subscribes the client. Errors: with a code (a constant) for the error event. */
static int conversation_listen(struct conversation *conversation, const struct wyoming_event *event,
                               const char **code, struct hearken_error *error)
{
    struct service *service = conversation->service;
    struct hearken_error reason;
    *code = "not-allowed";
    if (check_permission(conversation, error) < 0)
        return -EPERM;
    if (transcribe_event_parse_listen(&conversation->transcribe, event->data, service, code,
                                      &reason) < 0)
        return hearken_fail(error, -EINVAL, "hearken-listen: %.400s", reason.message);
    int result = microphone_hub_join(service->hub, &conversation->subscriber, error);
    if (result == 0)
        conversation->state = CONVERSATION_SUBSCRIBED;
    else
        *code = shared_recognition_error_code(result);
    return result;
}

/* hearken-listen-stop. */
static void conversation_unsubscribe(struct conversation *conversation)
{
    conversation->state = CONVERSATION_LEAVING;
    microphone_hub_leave(conversation->service->hub, &conversation->subscriber);
}

/* hearken-start, hearken-stop, hearken-toggle. Errors: -EPERM. */
static int conversation_switch(struct conversation *conversation, const struct wyoming_event *event,
                               struct hearken_error *error)
{
    enum microphone_hub_switch action = HUB_TOGGLE;
    bool listening;
    if (check_permission(conversation, error) < 0)
        return -EPERM;
    if (strcmp(event->type, "hearken-start") == 0)
        action = HUB_START;
    else if (strcmp(event->type, "hearken-stop") == 0)
        action = HUB_STOP;
    unsigned listeners = microphone_hub_switch(conversation->service->hub, action, &listening);
    conversation_send(conversation, "hearken-switched",
                      json_pack("{s:b, s:i}", "hearing", listening, "listeners", (int)listeners));
    return 0;
}

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
    [CONVERSATION_IDLE] = "there is no request",
    [CONVERSATION_REQUESTED] = "expecting audio",
    [CONVERSATION_RECEIVING] = "receiving audio",
    [CONVERSATION_FINISHING] = "the transcript is not complete",
    [CONVERSATION_REFUSED] = "the request was refused",
    [CONVERSATION_SUBSCRIBED] = "listening to the microphone",
    [CONVERSATION_LEAVING] = "the last segment is not complete",
};

typedef enum conversation_verdict handler(struct conversation *conversation,
                                          const struct wyoming_event *event);

/* ---- Handlers, of the table below ---- */

static enum conversation_verdict describe(struct conversation *conversation,
                                          const struct wyoming_event *event)
{
    (void)event;
    conversation_send(conversation, "info", info_describe(conversation->service));
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict pong(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    json_t *text = json_object_get(event->data, "text");
    conversation_send(conversation, "pong", json_pack("{s:O}", "text", text ? text : json_null()));
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict send_status(struct conversation *conversation,
                                             const struct wyoming_event *event)
{
    (void)event;
    conversation_send(conversation, "hearken-status", info_status(conversation->service));
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict select_program(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    const char *name = json_string_value(json_object_get(event->data, "name"));
    if (name && strcmp(name, PROGRAM_NAME) == 0)
        return CONVERSATION_CONTINUE;
    conversation_report_error(conversation, "unknown-program",
                              "select-program: name: the only program is " PROGRAM_NAME);
    return CONVERSATION_CLOSE;
}

static enum conversation_verdict refuse_drain(struct conversation *conversation)
{
    conversation_report_error(conversation, "shutting-down", "hearkend is shutting down");
    return CONVERSATION_CLOSE;
}

static enum conversation_verdict transcribe(struct conversation *conversation,
                                            const struct wyoming_event *event)
{
    const char *code;
    struct hearken_error error;
    if (conversation->service->draining)
        return refuse_drain(conversation);
    conversation->plain = !json_object_get(event->data, "hearken");
    if (transcribe_event_parse(&conversation->transcribe, event->data, conversation->service, &code,
                               &error) < 0)
        return conversation_refuse(conversation, code, "transcribe: %s", error.message);
    conversation->state = CONVERSATION_REQUESTED;
    return CONVERSATION_CONTINUE;
}

/* Replaces a request that is not complete. */
static enum conversation_verdict replace_request(struct conversation *conversation,
                                                 const struct wyoming_event *event)
{
    conversation_drop_request(conversation);
    conversation->state = CONVERSATION_IDLE;
    return transcribe(conversation, event);
}

static enum conversation_verdict start(struct conversation *conversation,
                                       const struct wyoming_event *event)
{
    return conversation_begin_audio(conversation, event);
}

/* Audio without a transcribe event: the defaults apply. */
static enum conversation_verdict start_with_defaults(struct conversation *conversation,
                                                     const struct wyoming_event *event)
{
    if (conversation->service->draining)
        return refuse_drain(conversation);
    conversation->plain = true;
    if (transcribe_event_init(&conversation->transcribe, &conversation->service->settings) < 0)
        return conversation_refuse(conversation, "out-of-memory", "out of memory for a request");
    return conversation_begin_audio(conversation, event);
}

static enum conversation_verdict continue_audio(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    const struct hearken_audio_format *audio = &conversation->transcribe.options.stream.audio;
    struct hearken_audio_format format;
    struct hearken_error error;
    if (audio_format_read(event, audio, &format, &error) < 0)
        return conversation_refuse(conversation, "bad-format", "%s", error.message);
    if (format.rate != audio->rate || format.channels != audio->channels ||
        format.type != audio->type)
        return conversation_refuse(conversation, "format-changed",
                                   "audio-chunk: the format changed from rate %" PRIu32
                                   ", width %" PRIu32 ", channels %" PRIu32 " to %" PRIu32
                                   ", %" PRIu32 ", %" PRIu32,
                                   audio->rate, audio_format_width(audio->type), audio->channels,
                                   format.rate, audio_format_width(format.type), format.channels);
    return conversation_write_samples(conversation, event);
}

/* A chunk without audio-start: the chunk states the format. */
static enum conversation_verdict start_with_chunk(struct conversation *conversation,
                                                  const struct wyoming_event *event)
{
    enum conversation_verdict verdict = conversation_begin_audio(conversation, event);
    if (conversation->state != CONVERSATION_RECEIVING)
        return verdict;
    return conversation_write_samples(conversation, event);
}

static enum conversation_verdict start_with_defaults_and_chunk(struct conversation *conversation,
                                                               const struct wyoming_event *event)
{
    enum conversation_verdict verdict = start_with_defaults(conversation, event);
    if (conversation->state != CONVERSATION_RECEIVING)
        return verdict;
    return conversation_write_samples(conversation, event);
}

static enum conversation_verdict stop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)event;
    conversation_end_audio(conversation);
    return CONVERSATION_CONTINUE;
}

/* audio-stop right after transcribe. */
static enum conversation_verdict answer_without_audio(struct conversation *conversation,
                                                      const struct wyoming_event *event)
{
    static const struct request_summary nothing = {0};
    (void)event;
    conversation->state = CONVERSATION_IDLE;
    conversation->segments = json_array();
    conversation_send_transcript(conversation, &nothing);
    conversation_drop_request(conversation);
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict drop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)conversation;
    (void)event;
    return CONVERSATION_CONTINUE;
}

/* A plain Wyoming client ignores errors and waits for `transcript` or the end of the connection.
 * Closes the connection, as other servers do: an empty transcript would mean silence. */
static enum conversation_verdict end_refused_request(struct conversation *conversation,
                                                     const struct wyoming_event *event)
{
    (void)event;
    conversation->state = CONVERSATION_IDLE;
    return conversation->plain ? CONVERSATION_CLOSE : CONVERSATION_CONTINUE;
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
        return CONVERSATION_CONTINUE;
    conversation->state = CONVERSATION_IDLE; /* not REFUSED: no audio follows */
    conversation_report_error(conversation, code, error.message);
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict leave(struct conversation *conversation,
                                       const struct wyoming_event *event)
{
    (void)event;
    conversation_unsubscribe(conversation);
    return CONVERSATION_CONTINUE;
}

static enum conversation_verdict switch_listening(struct conversation *conversation,
                                                  const struct wyoming_event *event)
{
    struct hearken_error error;
    if (conversation_switch(conversation, event, &error) < 0)
        conversation_report_error(conversation, "not-allowed", error.message);
    return CONVERSATION_CONTINUE;
}

/* The next request, sent before the transcript of this one. */
static enum conversation_verdict defer(struct conversation *conversation,
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
    snprintf(text, sizeof(text), "%s: unexpected: %s", event->type,
             state_names[conversation->state]);
    conversation_drop_request(conversation);
    microphone_hub_remove(conversation->service->hub, &conversation->subscriber);
    conversation->state = CONVERSATION_REFUSED;
    conversation_report_error(conversation, "wrong-state", text);
    return CONVERSATION_CLOSE;
}

static handler *const handlers[CONVERSATION_STATES][INPUTS] = {
    [CONVERSATION_IDLE] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = select_program,
            [INPUT_TRANSCRIBE] = transcribe,
            [INPUT_AUDIO_START] = start_with_defaults,
            [INPUT_AUDIO_CHUNK] = start_with_defaults_and_chunk,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = subscribe,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_REQUESTED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = replace_request,
            [INPUT_AUDIO_START] = start,
            [INPUT_AUDIO_CHUNK] = start_with_chunk,
            [INPUT_AUDIO_STOP] = answer_without_audio,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_RECEIVING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = replace_request,
            [INPUT_AUDIO_START] = wrong_state,
            [INPUT_AUDIO_CHUNK] = continue_audio,
            [INPUT_AUDIO_STOP] = stop,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_FINISHING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = defer,
            [INPUT_AUDIO_START] = defer,
            [INPUT_AUDIO_CHUNK] = defer,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = defer,
            [INPUT_LISTEN_STOP] = wrong_state,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_REFUSED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = transcribe,
            [INPUT_AUDIO_START] = drop,
            [INPUT_AUDIO_CHUNK] = drop,
            [INPUT_AUDIO_STOP] = end_refused_request,
            [INPUT_LISTEN] = subscribe,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_SUBSCRIBED] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = wrong_state,
            [INPUT_AUDIO_START] = wrong_state,
            [INPUT_AUDIO_CHUNK] = wrong_state,
            [INPUT_AUDIO_STOP] = wrong_state,
            [INPUT_LISTEN] = wrong_state,
            [INPUT_LISTEN_STOP] = leave,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
        },
    [CONVERSATION_LEAVING] =
        {
            [INPUT_DESCRIBE] = describe,
            [INPUT_PING] = pong,
            [INPUT_STATUS] = send_status,
            [INPUT_SELECT_PROGRAM] = wrong_state,
            [INPUT_TRANSCRIBE] = defer,
            [INPUT_AUDIO_START] = defer,
            [INPUT_AUDIO_CHUNK] = defer,
            [INPUT_AUDIO_STOP] = defer,
            [INPUT_LISTEN] = defer,
            [INPUT_LISTEN_STOP] = drop,
            [INPUT_START] = switch_listening,
            [INPUT_STOP] = switch_listening,
            [INPUT_TOGGLE] = switch_listening,
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
    conversation_init_subscriber(conversation);
}

void conversation_finish(struct conversation *conversation)
{
    conversation_drop_request(conversation);
    microphone_hub_remove(conversation->service->hub, &conversation->subscriber);
    transcribe_event_finish(&conversation->transcribe);
}

enum conversation_verdict conversation_handle(struct conversation *conversation,
                                              const struct wyoming_event *event)
{
    if (conversation->ended)
        return CONVERSATION_CLOSE;
    if (conversation_is_cut(conversation))
        return CONVERSATION_CONTINUE;
    for (unsigned input = 0; input < INPUTS; input++)
        if (strcmp(event->type, input_types[input]) == 0)
            return handlers[conversation->state][input](conversation, event);
    /* Wyoming requires unknown events to be ignored. */
    log_debug(conversation->service->log, "connection %u: %.60s: unknown event ignored",
              conversation->id, event->type);
    return CONVERSATION_CONTINUE;
}

bool conversation_is_full(struct conversation *conversation)
{
    return conversation->state == CONVERSATION_RECEIVING && request_is_full(conversation->request);
}

bool conversation_is_cut(const struct conversation *conversation)
{
    return conversation->cut_code;
}

bool conversation_has_ended(const struct conversation *conversation)
{
    return conversation->ended;
}

/* A plain client does not notice a refusal and sends audio up to audio-stop. */
bool conversation_expects_audio(const struct conversation *conversation)
{
    return conversation->state == CONVERSATION_REQUESTED ||
           conversation->state == CONVERSATION_RECEIVING ||
           (conversation->state == CONVERSATION_REFUSED && conversation->plain);
}
