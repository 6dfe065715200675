// SPDX-License-Identifier: MIT
/* Shared by the files that make up a conversation: conversation.c, conversation_request.c,
 * conversation_microphone.c. */
#ifndef HEARKEN_DAEMON_SESSION_CONVERSATION_PRIVATE_H
#define HEARKEN_DAEMON_SESSION_CONVERSATION_PRIVATE_H

#include "daemon/session/conversation.h"

/* ---- conversation_request.c: transcribing what the client sends ---- */

/* Takes over the reference of `data`, which may be NULL (no memory). */
void conversation_send(struct conversation *conversation, const char *type, json_t *data);

/* Sends an `error` event, with a line in the log. */
void conversation_complain(struct conversation *conversation, const char *code, const char *text);

/* Abandons the request, if there is one. */
void conversation_forget_request(struct conversation *conversation);

/* Answers a request with an error; the connection goes on. */
enum conversation_verdict conversation_refuse(struct conversation *conversation, const char *code,
                                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* All that was heard, and how long it took. */
void conversation_send_transcript(struct conversation *conversation,
                                  const struct request_summary *summary);

/* Makes the request, in the format that the event states. */
enum conversation_verdict conversation_begin_audio(struct conversation *conversation,
                                                   const struct wyoming_event *event);

/* Hands an event's samples to the request. */
enum conversation_verdict conversation_take_samples(struct conversation *conversation,
                                                    const struct wyoming_event *event);

/* All audio has come. */
void conversation_end_audio(struct conversation *conversation);

/* ---- conversation_microphone.c: the daemon's microphone ---- */

/* Once, before anything else. */
void conversation_init_subscriber(struct conversation *conversation);

/* hearken-listen in a state that allows it: 0 when the client is subscribed; else below 0, with a
 * code (a constant) and the reason. */
int conversation_listen(struct conversation *conversation, const struct wyoming_event *event,
                        const char **code, struct hearken_error *error);

/* hearken-listen-stop while it is subscribed. */
void conversation_leave(struct conversation *conversation);

/* hearken-start, -stop, -toggle: 0, or -EPERM. */
int conversation_switch(struct conversation *conversation, const struct wyoming_event *event,
                        struct hearken_error *error);

#endif
