// SPDX-License-Identifier: MIT
/* Transcriptions and translations of uploaded recordings: a route's callbacks. */
#ifndef HEARKEN_DAEMON_API_HTTP_TRANSCRIPTION_H
#define HEARKEN_DAEMON_API_HTTP_TRANSCRIPTION_H

#include "daemon/http/http_exchange.h"

/* Whether a new one would be refused: http.requests are received or recognised. */
bool http_transcription_is_full(const struct service *service);

/* Whether a new one may begin; otherwise the exchange is told to come again later. */
bool http_transcription_admit(struct http_exchange *exchange);

void http_transcription_start(struct http_exchange *exchange);
void http_transcription_start_bare(struct http_exchange *exchange); /* in Deepgram's form */
void http_transcription_body(struct http_exchange *exchange, const char *bytes, size_t size);
void http_transcription_end(struct http_exchange *exchange);
void http_transcription_finish(struct http_exchange *exchange);

#endif
