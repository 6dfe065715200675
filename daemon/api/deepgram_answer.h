// SPDX-License-Identifier: MIT
/* Parts of answers in Deepgram's form, of live speech and of recordings. */
#ifndef HEARKEN_DAEMON_API_DEEPGRAM_ANSWER_H
#define HEARKEN_DAEMON_API_DEEPGRAM_ANSWER_H

#include "daemon/api/transcription_answer.h"
#include "daemon/http/http_exchange.h"

#include <jansson.h>
#include <stddef.h>

/* All give new references, or NULL: out of memory. */

/* Words [from, to) of a list as docs/protocol.md has them: an alternative. `text`: what they are
 * together, or NULL: with spaces between them. */
json_t *deepgram_alternative(const json_t *words, size_t from, size_t to, const char *text);

/* What an answer says of itself: `seconds` of sound with so many channels. */
json_t *deepgram_metadata(const char *request_id, const char *model, double seconds,
                          unsigned channels);

/* The member `model_info`. */
json_t *deepgram_model_info(const char *model);

/* Answers with the whole transcript of a recording. */
void deepgram_answer_send(const struct transcription_answer *answer, const char *model,
                          struct http_exchange *exchange);

#endif
