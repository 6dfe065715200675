// SPDX-License-Identifier: MIT
/* OpenAI's Realtime interface for transcription, `/v1/realtime` (docs/realtime.md). */
#ifndef HEARKEN_DAEMON_API_REALTIME_H
#define HEARKEN_DAEMON_API_REALTIME_H

#include "daemon/http/http_exchange.h"

/* A route's callback. */
void realtime_start(struct http_exchange *exchange);

#endif
