// SPDX-License-Identifier: MIT
/* What the daemon serves over HTTP. */
#ifndef HEARKEN_DAEMON_API_HTTP_ROUTES_H
#define HEARKEN_DAEMON_API_HTTP_ROUTES_H

#include "daemon/http/http_exchange.h"

extern const struct http_router http_routes;

#endif
