// SPDX-License-Identifier: MIT
/*
 * A client's connection: reading, writing, limits and timeouts. The conversation implements the
 * protocol. For the loop's thread.
 *
 *     OPEN ---- error, end of file, idle, drain ----> LINGERING ---- all is sent ----> CLOSED
 *       +------------------ the client is gone or does not read ----------------------->
 *
 * A lingering connection sends its queued output, shuts down its side and drops further input, so
 * that the client gets the last answer instead of a reset.
 */
#ifndef HEARKEN_DAEMON_SERVER_CONNECTION_H
#define HEARKEN_DAEMON_SERVER_CONNECTION_H

#include "daemon/common/wyoming.h"
#include "daemon/recognition/service.h"
#include "daemon/server/sockets.h"
#include "daemon/session/conversation.h"

#include <stdbool.h>
#include <uv.h>

/* The largest read. All connections of a loop share one buffer. */
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
    struct wyoming_event event; /* to be handled again if `event_deferred` */
    struct conversation conversation;
    char *read_buffer; /* the loop's */
    uv_shutdown_t shutdown;
    size_t unsent;          /* bytes queued for writing */
    uint64_t last_received; /* loop time, ms, of the last data or `resume` */
    uint64_t last_progress; /* loop time, ms, of the last write, or when output was first queued */
    uint64_t deadline;      /* loop time, ms: end of lingering */
    bool reading, event_deferred;
    bool client_ended; /* end of file was read */
    bool drained;      /* lingering: all output has been sent */
    void (*closed)(struct connection *connection);
    void *owner;
    struct connection *previous, *next; /* the owner's list */
};

/* Takes over a connected socket, also on failure. `closed` is the last callback; the connection is
 * freed after it returns. Errors: libuv's. */
int connection_create(uv_loop_t *loop, int descriptor, enum socket_kind kind,
                      struct service *service, char *read_buffer, unsigned id,
                      void (*closed)(struct connection *), void *owner,
                      struct connection **connection);

/* Starts reading. */
void connection_start(struct connection *connection);

/* Sends an error event and lingers, started or not. Logs nothing. */
void connection_reject(struct connection *connection, const char *code, const char *text);

/* To be called a few times a second: checks timeouts, and hang-ups while nothing is read. */
void connection_tick(struct connection *connection);

/* Drains the connection: closes it unless a request is in progress, which may finish first. */
void connection_drain(struct connection *connection);

/* Closes the connection without sending queued output. */
void connection_close(struct connection *connection);

#endif
