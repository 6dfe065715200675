// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"
#include "daemon/session/conversation_private.h"

#include <errno.h>
#include <string.h>

/* ---- The subscriber's side ---- */

static void on_send(void *context, const char *type, json_t *data, const void *payload,
                    size_t payload_length)
{
    struct conversation *conversation = context;
    conversation->peer->send(conversation->context, type, data, payload, payload_length);
}

static void on_over(void *context, const char *code, const char *problem)
{
    struct conversation *conversation = context;
    conversation->state = CONVERSATION_IDLE;
    if (!problem)
        conversation_send(conversation, "hearken-listen-stopped", json_object());
    else
        conversation_complain(conversation, code, problem);
    conversation->peer->resume(conversation->context);
}

static const struct subscriber_peer peer = {
    .send = on_send,
    .over = on_over,
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

void conversation_init_subscriber(struct conversation *conversation)
{
    conversation->subscriber = (struct subscriber){
        .peer = &peer,
        .context = conversation,
        .asked = &conversation->transcribe,
    };
}

int conversation_listen(struct conversation *conversation, const struct wyoming_event *event,
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
    int result = microphone_hub_join(service->live, &conversation->subscriber, error);
    if (result == 0)
        conversation->state = CONVERSATION_SUBSCRIBED;
    else
        *code = hearing_error_code(result);
    return result;
}

void conversation_leave(struct conversation *conversation)
{
    conversation->state = CONVERSATION_LEAVING;
    microphone_hub_leave(conversation->service->live, &conversation->subscriber);
}

int conversation_switch(struct conversation *conversation, const struct wyoming_event *event,
                        struct hearken_error *error)
{
    enum microphone_hub_switch action = LIVE_TOGGLE;
    bool hearing;
    if (check_permission(conversation, error) < 0)
        return -EPERM;
    if (strcmp(event->type, "hearken-start") == 0)
        action = LIVE_START;
    else if (strcmp(event->type, "hearken-stop") == 0)
        action = LIVE_STOP;
    unsigned listeners = microphone_hub_switch(conversation->service->live, action, &hearing);
    conversation_send(conversation, "hearken-switched",
                      json_pack("{s:b, s:i}", "hearing", hearing, "listeners", (int)listeners));
    return 0;
}
