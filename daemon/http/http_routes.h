// SPDX-License-Identifier: MIT
/* What is served at which path. */
#ifndef HEARKEN_DAEMON_HTTP_HTTP_ROUTES_H
#define HEARKEN_DAEMON_HTTP_HTTP_ROUTES_H

#include "daemon/http/http_exchange.h"

/*
 * The path that a route knows: without what base URLs of clients have in front of it ("/v1",
 * "/openai/v1", "/api", or the whole path of a transcription) and without its first and last slash.
 */
void http_path_normalise(const char *url, char *path, size_t size);

/* The route of the exchange's path and method. NULL: there is none, and it was answered so. */
const struct http_route *http_route_find(struct http_exchange *exchange);

#endif
