// SPDX-License-Identifier: MIT
/*
 * A WebSocket (RFC 6455) on the daemon's loop. libmicrohttpd reads the request, libwslay frames;
 * the socket is the loop's. A protocol is a table of callbacks. For the loop's thread.
 *
 *     route's start --> websocket_accept --> opened --> message, any number --> closed
 *
 * A WebSocket is not read while its protocol is not ready for another message, so that TCP slows
 * the client down. What is sent waits in memory up to limits.result_queue_kib.
 */
#ifndef HEARKEN_DAEMON_HTTP_WEBSOCKET_H
#define HEARKEN_DAEMON_HTTP_WEBSOCKET_H

#include "daemon/http/http_exchange.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest message: OpenAI's clients send up to 15 MiB of base64 at once. */
#define WEBSOCKET_MESSAGE_MAX ((size_t)16 << 20)

/* Status codes of RFC 6455, 7.4.1. */
enum websocket_close_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL = 1011,
    WEBSOCKET_TRY_AGAIN = 1013,
};

struct websocket;

/* All WebSockets of a server. */
struct websocket_list {
    struct service *service;
    uv_loop_t *loop;
    void (*opened)(void *context); /* a client has become a WebSocket */
    void (*closed)(void *context); /* and is gone */
    void *context;
    struct websocket *first;
};

/* `state` is what websocket_accept was given. */
struct websocket_protocol {
    const char *name; /* for the log */
    void (*opened)(void *state, struct websocket *websocket);
    /* A whole message; `bytes` [size + 1] ends with a 0 that does not count. */
    void (*message)(void *state, const char *bytes, size_t size, bool is_text);
    /* Whether the next message may come; websocket_wake tells that this has changed. */
    bool (*is_ready)(void *state);
    /* The daemon stops: the protocol closes the WebSocket once it has sent what it owes. */
    void (*drain)(void *state);
    /* Now and then, a few times a second; may be NULL. */
    void (*tick)(void *state);
    /* The last call: frees the state. Also where the client has gone before `opened`. */
    void (*closed)(void *state);
};

/*
 * Answers the request for a WebSocket, or refuses it if it is none. Takes over `state` in any case.
 * `subprotocol`: one that the client offers and is told to use, or NULL.
 */
void websocket_accept(struct http_exchange *exchange, const struct websocket_protocol *protocol,
                      void *state, const char *subprotocol);

/* Whether the request asks for a WebSocket. */
bool websocket_is_wanted(const struct http_exchange *exchange);

/* Whether the client offers a subprotocol. */
bool websocket_offers(const struct http_exchange *exchange, const char *subprotocol);

uv_loop_t *websocket_loop(const struct websocket *websocket);

/* Whether JSON of this text takes little more memory than the text: long ones may hold a long
 * string, but not a million members. */
bool websocket_text_is_simple(const char *text, size_t length);

/* Sends text. A client that does not read its results is disconnected. */
void websocket_send(struct websocket *websocket, const char *text, size_t length);

/* The same with an object, whose reference is taken over and which may be NULL: no memory. */
void websocket_send_json(struct websocket *websocket, json_t *object);

/* The client reads so slowly that it is to get only what it must have. */
bool websocket_is_slow(const struct websocket *websocket);

/* The protocol may be ready again. */
void websocket_wake(struct websocket *websocket);

/* Sends what waits, then says goodbye, and why, as far as it fits in. No message comes any more. */
void websocket_close(struct websocket *websocket, enum websocket_close_code code,
                     const char *reason);

/* ---- For the server ---- */

/* Ends one whose client has gone before it was open. Accepts NULL. */
void websocket_discard(struct websocket *websocket);

/* A few times a second: timeouts. */
void websocket_list_tick(struct websocket_list *list);

void websocket_list_drain(struct websocket_list *list);

/* Closes all of them at once. */
void websocket_list_cancel(struct websocket_list *list);

#endif
