// SPDX-License-Identifier: MIT
/* Live speech in the form of the Vosk server, the WebSocket `/` or `/vosk` (docs/realtime.md). */
#ifndef HEARKEN_DAEMON_API_VOSK_H
#define HEARKEN_DAEMON_API_VOSK_H

#include "daemon/http/http_exchange.h"

/* A route's callback. */
void vosk_start(struct http_exchange *exchange);

#endif
