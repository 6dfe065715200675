// SPDX-License-Identifier: MIT
/* Shared by the files that make up WebSockets: websocket.c and websocket_handshake.c. */
#ifndef HEARKEN_DAEMON_HTTP_WEBSOCKET_PRIVATE_H
#define HEARKEN_DAEMON_HTTP_WEBSOCKET_PRIVATE_H

#include "daemon/http/websocket.h"

/* One that is not open yet. NULL without memory. */
struct websocket *websocket_create(struct websocket_list *list, const char *id,
                                   const struct websocket_protocol *protocol, void *state);

/* Opens it with a socket, which it takes over, also on failure, when it is discarded. `early`: what
 * the client has already sent. */
void websocket_open(struct websocket *websocket, int descriptor, const void *early,
                    size_t early_size);

#endif
