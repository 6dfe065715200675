// SPDX-License-Identifier: MIT
/*
 * HTTP on the daemon's loop. libmicrohttpd speaks the protocol; it has neither a thread nor a
 * listening socket of its own: the server hands it clients and calls it when its epoll descriptor
 * or its timeout says so. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_HTTP_HTTP_SERVER_H
#define HEARKEN_DAEMON_HTTP_HTTP_SERVER_H

#include "daemon/recognition/service.h"

#include <hearken/hearken.h>
#include <uv.h>

struct http_server;
struct http_router;

/* `closed` is called after each adopted client has gone. Service and loop must outlive the server.
 * Errors: -EINVAL or the system's for the file of tokens, -ENOMEM. */
int http_server_create(struct service *service, uv_loop_t *loop, const struct http_router *router,
                       void (*closed)(void *context), void *context, struct http_server **server,
                       struct hearken_error *error);

/* Cancels what runs. Accepts NULL. The loop must run once more afterwards. */
void http_server_destroy(struct http_server *server);

/* Takes over the connected socket of a client, also on failure: then `closed` is not called.
 * `probes_only`: there are too many, and only health and metrics are answered, once. */
int http_server_adopt(struct http_server *server, int descriptor, bool probes_only);

/* Tells a client without blocking that there are too many, and closes its socket. */
void http_server_refuse(int descriptor);

/* To be called a few times a second: notices clients that have hung up while they wait. */
void http_server_tick(struct http_server *server);

/* Reads the file of tokens again; keeps the old ones if it cannot be read. */
void http_server_reload(struct http_server *server);

/* Closes idle connections, and the others after their answer. */
void http_server_drain(struct http_server *server);

/* Closes all connections. */
void http_server_cancel(struct http_server *server);

#endif
