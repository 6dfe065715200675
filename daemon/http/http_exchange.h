// SPDX-License-Identifier: MIT
/*
 * One request and its answer. A route handles it by these functions; http_server.c calls the
 * route's. For the loop's thread.
 *
 *     start ----> body, any number ----> end ----> (suspended until answered) ----> finish
 *       \__________________ http_exchange_answer at any time __________________/
 */
#ifndef HEARKEN_DAEMON_HTTP_HTTP_EXCHANGE_H
#define HEARKEN_DAEMON_HTTP_HTTP_EXCHANGE_H

#include "daemon/recognition/service.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_exchange;
struct websocket;
struct websocket_list;

/* A route's callbacks; all but `start` may be NULL. */
struct http_route {
    const char *method;
    const char *path;  /* without "/v1"; one that ends in / is followed by the name of a thing */
    const char *shown; /* as the list of routes has it */
    bool open;         /* needs no key */
    bool probe;        /* answered also where there are too many connections */
    /* The headers are there. */
    void (*start)(struct http_exchange *exchange);
    /* A part of the body; none after an answer. */
    void (*body)(struct http_exchange *exchange, const char *bytes, size_t size);
    /* The body is complete; not called after an answer. */
    void (*end)(struct http_exchange *exchange);
    /* The last call: frees exchange->state. */
    void (*finish)(struct http_exchange *exchange);
};

/* What is served at which path: the server knows no route itself. */
struct http_router {
    /*
     * The path that a route knows: without what base URLs of clients have in front of it ("/v1",
     * "/openai/v1", "/api", or the whole path of a transcription) and without its first and last
     * slash.
     */
    void (*normalise)(const char *url, char *path, size_t size);
    /* The route of the exchange's path and method. NULL: there is none, and it was answered so. */
    const struct http_route *(*find)(struct http_exchange *exchange);
};

/* A stream of text that is sent while it grows. */
struct http_outgoing {
    char *bytes;
    size_t length, sent, capacity;
    bool ended;
};

struct http_exchange {
    struct service *service;
    uv_loop_t *loop;
    struct MHD_Connection *connection;
    const struct http_route *route; /* NULL: none matches */
    void *state;                    /* the route's */
    char method[12];
    char path[256];                /* without "/v1" and a slash at the end; cut if it is longer */
    char id[72];                   /* X-Request-Id of the client, or made here */
    char trace[64];                /* traceparent, or "" */
    char origin[256];              /* of a page that may read the answer, or "" */
    uint64_t began;                /* uv_hrtime */
    unsigned status;               /* of the answer; 0: none yet */
    struct MHD_Response *response; /* of the answer, until it is queued */
    uint64_t body_length;          /* as it is stated; UINT64_MAX: chunked */
    bool early;                    /* answered before the body was read */
    uint64_t received;             /* bytes of the body before an answer */
    uint64_t dropped;              /* bytes of the body after an answer */
    char *failure;                 /* the answer's text if it is an error, else NULL */
    bool ended;                    /* the body is complete */
    bool suspended;
    bool gone;    /* the client has hung up, or the daemon stops */
    bool streams; /* the answer is `outgoing` */
    struct http_outgoing outgoing;
    struct websocket_list *websockets;            /* the server's */
    struct websocket *websocket;                  /* that it becomes; NULL: none, or it is open */
    bool upgraded;                                /* it has become one */
    void (*wake)(struct http_exchange *exchange); /* has a resumed connection served */
    void *waker;
};

/* Answers, once. Takes over the response, which may be NULL: out of memory. */
void http_exchange_answer(struct http_exchange *exchange, unsigned status,
                          struct MHD_Response *response);

/* The same with bytes, which are copied, or an object, whose reference is taken over and which may
 * be NULL: out of memory. */
void http_exchange_answer_bytes(struct http_exchange *exchange, unsigned status, const char *type,
                                const char *bytes, size_t length);
void http_exchange_answer_json(struct http_exchange *exchange, unsigned status, json_t *object);

/* Answers with an error as OpenAI has them. `parameter` and `code` may be NULL. */
void http_exchange_fail(struct http_exchange *exchange, unsigned status, const char *code,
                        const char *parameter, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Tells the client to try again: status 503 or 429, with Retry-After. */
void http_exchange_postpone(struct http_exchange *exchange, unsigned seconds, const char *message);

/* Begins an answer of events (text/event-stream), to be written and then ended. */
void http_exchange_stream(struct http_exchange *exchange);
void http_exchange_write_event(struct http_exchange *exchange, json_t *event);
void http_exchange_write(struct http_exchange *exchange, const char *bytes, size_t length);
void http_exchange_end_stream(struct http_exchange *exchange);

/* Ends a request whose client waits for an answer and cannot get it. */
void http_exchange_abandon(struct http_exchange *exchange);

/* A header of the request, or NULL. */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name);

/* The error object: a new reference, or NULL without memory. */
json_t *http_error_object(unsigned status, const char *code, const char *parameter,
                          const char *message);

#endif
