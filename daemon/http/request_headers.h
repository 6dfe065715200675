// SPDX-License-Identifier: MIT
/* What the headers of a request say of it: its identity, its body, its key and its origin. */
#ifndef HEARKEN_DAEMON_HTTP_REQUEST_HEADERS_H
#define HEARKEN_DAEMON_HTTP_REQUEST_HEADERS_H

#include "daemon/http/access_tokens.h"
#include "daemon/http/http_exchange.h"

/* The identity that the client or a proxy gave the request, or one made here. */
void request_headers_identify(struct http_exchange *exchange);

/* Notes the origin of a page that may read the answer. */
void request_headers_find_origin(struct http_exchange *exchange);

/* Refuses what two programs could understand differently, and what is too large. */
void request_headers_check_body(struct http_exchange *exchange, const char *version);

/* Whether the request has a key that is known, or needs none; otherwise it is answered with 401. */
bool request_headers_check_key(struct http_exchange *exchange, const struct access_tokens *tokens);

/* Adds what a browser must know to let a page of another origin read the answer. */
void request_headers_add_origin(const struct http_exchange *exchange,
                                struct MHD_Response *response);

/* Answers a browser's question before a request of another origin; it comes without a key. */
void request_headers_answer_preflight(struct http_exchange *exchange);

#endif
