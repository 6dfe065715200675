// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"
#include "daemon/recognition/transcribe_event.h"
#include "daemon/session/conversation_private.h"
#include "daemon/session/info.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- The subscriber's side ---- */

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
        conversation_complain(conversation, code, problem);
    conversation->peer->resume(conversation->context);
}

static const struct subscriber_peer as_subscriber = {
    .send = on_send,
    .ended = on_subscription_ended,
};

/* ---- What the client asks for ---- */

static int check_permission(const struct conversation *conversation, struct hearken_error *error)
{
    const struct settings *settings = &conversation->service->settings;
    if (settings->capture_clients == CAPTURE_ALL ||
        (settings->capture_clients == CAPTURE_LOCAL && conversation->local))
        return 0;
    return hearken_fail(error, -EPERM,
                        settings->capture_clients == CAPTURE_NONE
                            ? "the microphone is not to be listened to (capture.clients is none)"
                            : "the microphone is for clients on the Unix socket (capture.clients "
                              "is local)");
}

/* Once, before anything else. */
static void conversation_init_subscriber(struct conversation *conversation)
{
    conversation->subscriber = (struct subscriber){
        .peer = &as_subscriber,
        .context = conversation,
        .transcribe = &conversation->transcribe,
    };
}

/* hearken-listen in a state that allows it: 0 when the client is subscribed; else below 0, with a
 * code (a constant) and the reason. */
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

/* hearken-listen-stop while it is subscribed. */
static void conversation_leave(struct conversation *conversation)
{
    conversation->state = CONVERSATION_LEAVING;
    microphone_hub_leave(conversation->service->hub, &conversation->subscriber);
}

/* hearken-start, -stop, -toggle: 0, or -EPERM. */
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

/* ---- Handlers: what each event does in the states that allow it ---- */

static enum conversation_verdict describe(struct conversation *conversation,
                                          const struct wyoming_event *event)
{
    (void)event;
    conversation_send(conversation, "info", info_describe(conversation->service));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict pong(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    json_t *text = json_object_get(event->data, "text");
    conversation_send(conversation, "pong", json_pack("{s:O}", "text", text ? text : json_null()));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict tell_status(struct conversation *conversation,
                                             const struct wyoming_event *event)
{
    (void)event;
    conversation_send(conversation, "hearken-status", info_status(conversation->service));
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict select_program(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    const char *name = json_string_value(json_object_get(event->data, "name"));
    if (name && strcmp(name, PROGRAM_NAME) == 0)
        return CONVERSATION_GO_ON;
    conversation_complain(conversation, "unknown-program",
                          "select-program: name: the only program is " PROGRAM_NAME);
    return CONVERSATION_CLOSE;
}

static enum conversation_verdict refuse_drain(struct conversation *conversation)
{
    conversation_complain(conversation, "shutting-down", "hearkend is shutting down");
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
    return CONVERSATION_GO_ON;
}

/* Somebody changed their mind: what came before is forgotten. */
static enum conversation_verdict transcribe_anew(struct conversation *conversation,
                                                 const struct wyoming_event *event)
{
    conversation_forget_request(conversation);
    conversation->state = CONVERSATION_IDLE;
    return transcribe(conversation, event);
}

static enum conversation_verdict start(struct conversation *conversation,
                                       const struct wyoming_event *event)
{
    return conversation_begin_audio(conversation, event);
}

/* Without transcribe: the defaults. */
static enum conversation_verdict start_plainly(struct conversation *conversation,
                                               const struct wyoming_event *event)
{
    if (conversation->service->draining)
        return refuse_drain(conversation);
    conversation->plain = true;
    if (transcribe_event_init(&conversation->transcribe, &conversation->service->settings) < 0)
        return conversation_refuse(conversation, "out-of-memory", "out of memory for a request");
    return conversation_begin_audio(conversation, event);
}

static enum conversation_verdict hear(struct conversation *conversation,
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
    return conversation_take_samples(conversation, event);
}

/* A chunk without audio-start: its own format starts the audio. */
static enum conversation_verdict start_and_hear(struct conversation *conversation,
                                                const struct wyoming_event *event)
{
    enum conversation_verdict verdict = conversation_begin_audio(conversation, event);
    if (conversation->state != CONVERSATION_LISTENING)
        return verdict;
    return conversation_take_samples(conversation, event);
}

static enum conversation_verdict start_plainly_and_hear(struct conversation *conversation,
                                                        const struct wyoming_event *event)
{
    enum conversation_verdict verdict = start_plainly(conversation, event);
    if (conversation->state != CONVERSATION_LISTENING)
        return verdict;
    return conversation_take_samples(conversation, event);
}

static enum conversation_verdict stop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)event;
    conversation_end_audio(conversation);
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
    conversation_send_transcript(conversation, &nothing);
    conversation_forget_request(conversation);
    return CONVERSATION_GO_ON;
}

static enum conversation_verdict drop(struct conversation *conversation,
                                      const struct wyoming_event *event)
{
    (void)conversation;
    (void)event;
    return CONVERSATION_GO_ON;
}

/* A client of plain Wyoming waits for `transcript` or the end of the connection, and takes no
 * notice of errors. It gets the latter, as from other servers; an empty transcript would say that
 * nobody spoke. */
static enum conversation_verdict drop_last(struct conversation *conversation,
                                           const struct wyoming_event *event)
{
    (void)event;
    conversation->state = CONVERSATION_IDLE;
    return conversation->plain ? CONVERSATION_CLOSE : CONVERSATION_GO_ON;
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
    conversation_complain(conversation, code, error.message);
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
        conversation_complain(conversation, "not-allowed", error.message);
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
    snprintf(text, sizeof(text), "%s: unexpected: %s", event->type,
             state_names[conversation->state]);
    conversation_forget_request(conversation);
    microphone_hub_remove(conversation->service->hub, &conversation->subscriber);
    conversation->state = CONVERSATION_REFUSED;
    conversation_complain(conversation, "wrong-state", text);
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
            [INPUT_TRANSCRIBE] = transcribe_anew,
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
            [INPUT_TRANSCRIBE] = transcribe_anew,
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
    conversation_init_subscriber(conversation);
}

void conversation_finish(struct conversation *conversation)
{
    conversation_forget_request(conversation);
    microphone_hub_remove(conversation->service->hub, &conversation->subscriber);
    transcribe_event_finish(&conversation->transcribe);
}

enum conversation_verdict conversation_handle(struct conversation *conversation,
                                              const struct wyoming_event *event)
{
    if (conversation->over)
        return CONVERSATION_CLOSE;
    if (conversation_is_cut(conversation))
        return CONVERSATION_GO_ON;
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

bool conversation_is_cut(const struct conversation *conversation)
{
    return conversation->cut_code;
}

bool conversation_is_over(const struct conversation *conversation)
{
    return conversation->over;
}

/* One that was refused owes it up to audio-stop, if it does not know that it was refused. */
bool conversation_owes_audio(const struct conversation *conversation)
{
    return conversation->state == CONVERSATION_REQUESTED ||
           conversation->state == CONVERSATION_LISTENING ||
           (conversation->state == CONVERSATION_REFUSED && conversation->plain);
}
