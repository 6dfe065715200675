// SPDX-License-Identifier: MIT
/* Live speech in Deepgram's form, the WebSocket `/v1/listen` (docs/realtime.md). */
#ifndef HEARKEN_DAEMON_API_DEEPGRAM_H
#define HEARKEN_DAEMON_API_DEEPGRAM_H

#include "daemon/http/http_exchange.h"

/* A route's callback. */
void deepgram_start(struct http_exchange *exchange);

#endif
