// SPDX-License-Identifier: MIT
/*
 * A client's connection: bytes in and out, limits and timeouts. What is said over it is the
 * conversation's. For the loop's thread.
 *
 *     OPEN ---- error, end of file, idle, drain ----> LINGERING ---- all is sent ----> CLOSED
 *       +------------------ the client is gone, or reads nothing ---------------------->
 *
 * A connection that lingers sends what it has, ends its side and drops what still comes, so that
 * the client gets the last answer instead of a reset.
 */
#ifndef HEARKEN_DAEMON_SERVER_CONNECTION_H
#define HEARKEN_DAEMON_SERVER_CONNECTION_H

#include "daemon/common/wyoming.h"
#include "daemon/recognition/service.h"
#include "daemon/server/sockets.h"
#include "daemon/session/conversation.h"

#include <stdbool.h>
#include <uv.h>

/* One read at most: it is shared by all connections of a loop. */
#define CONNECTION_READ_SIZE ((size_t)64 * 1024)

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_LINGERING,
    CONNECTION_CLOSED,
};

struct connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    struct service *service;
    enum socket_kind kind;
    unsigned id; /* for the log */
    enum connection_state state;
    struct wyoming_parser parser;
    struct wyoming_event event; /* the one that has to wait, if `holding` */
    struct conversation conversation;
    char *read_buffer; /* the loop's */
    uv_shutdown_t shutdown;
    size_t unsent;          /* bytes that the client has not taken */
    uint64_t last_heard;    /* loop time, ms: the client sent something, or was let go on */
    uint64_t last_progress; /* it took something, or there was nothing to take */
    uint64_t deadline;      /* of lingering */
    bool reading, holding;
    bool client_ended; /* end of file came */
    bool drained;      /* all has been sent while lingering */
    void (*closed)(struct connection *connection);
    void *owner;
    struct connection *previous, *next; /* the owner's list */
};

/* Takes over a connected socket, also on failure. `closed` is the last thing that happens to the
 * connection; the memory is freed after it returns. Errors: libuv's. */
int connection_create(uv_loop_t *loop, int descriptor, enum socket_kind kind,
                      struct service *service, char *read_buffer, unsigned id,
                      void (*closed)(struct connection *), void *owner,
                      struct connection **connection);

/* Starts to read. */
void connection_start(struct connection *connection);

/* Sends an error event and ends the connection, started or not. Logs nothing. */
void connection_reject(struct connection *connection, const char *code, const char *text);

/* To be called a few times a second: timeouts, and clients that went away unread. */
void connection_tick(struct connection *connection);

/* Ends it as soon as no request is in hand: for the drain. */
void connection_drain(struct connection *connection);

/* Ends it now. */
void connection_close(struct connection *connection);

#endif
