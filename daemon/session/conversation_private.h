// SPDX-License-Identifier: MIT
/* Shared by the files that make up a conversation: conversation.c and
 * conversation_request.c. */
#ifndef HEARKEN_DAEMON_SESSION_CONVERSATION_PRIVATE_H
#define HEARKEN_DAEMON_SESSION_CONVERSATION_PRIVATE_H

#include "daemon/session/conversation.h"

/* ---- conversation_request.c: transcribing what the client sends ---- */

/* Takes over the reference of `data`, which may be NULL (no memory). */
void conversation_send(struct conversation *conversation, const char *type, json_t *data);

/* Sends an `error` event and logs it. */
void conversation_report_error(struct conversation *conversation, const char *code,
                               const char *text);

/* Abandons the request, if there is one, and resets its results. */
void conversation_drop_request(struct conversation *conversation);

/* Answers a request with an error; the connection stays open. */
enum conversation_verdict conversation_refuse(struct conversation *conversation, const char *code,
                                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sends the transcript with its start and stop events. */
void conversation_send_transcript(struct conversation *conversation,
                                  const struct request_summary *summary);

/* Creates the request with the audio format of the event. */
enum conversation_verdict conversation_begin_audio(struct conversation *conversation,
                                                   const struct wyoming_event *event);

/* Passes an event's samples to the request. */
enum conversation_verdict conversation_write_samples(struct conversation *conversation,
                                                     const struct wyoming_event *event);

/* All audio has been received. */
void conversation_end_audio(struct conversation *conversation);

#endif
