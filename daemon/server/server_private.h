// SPDX-License-Identifier: MIT
/* Shared by the files that make up the server: server.c, reload.c and drain.c. */
#ifndef HEARKEN_DAEMON_SERVER_SERVER_PRIVATE_H
#define HEARKEN_DAEMON_SERVER_SERVER_PRIVATE_H

#include "daemon/http/http_server.h"
#include "daemon/http/lingering.h"
#include "daemon/recognition/service.h"
#include "daemon/server/admission.h"
#include "daemon/server/connection.h"
#include "daemon/server/daemon_options.h"
#include "daemon/server/sockets.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

struct server;

/* Not a uv_stream_t: libuv closes clients without an answer when descriptors run out. */
struct listener {
    uv_poll_t poll;
    struct server *server;
    struct socket_listener socket;
};

/* A Unix socket that we bound. */
struct bound_socket {
    char *path;         /* NULL: none */
    struct stat status; /* of that path, to recognise a socket that replaced ours */
};

/* Opens models in the background while the old ones are in use. */
struct reload {
    uv_work_t work;
    struct server *server;
    struct settings settings; /* to be applied if the models can be opened */
    bool opens_default;       /* open the default model again */
    bool reload_all;          /* reload all models */
    struct model_list list;
    struct served_model *model; /* the default, if opens_default */
    int status;
    struct hearken_error error;
    const char *excluded_backend; /* the one that failed; its name belongs to the model; or NULL */
    bool running;
    bool repeat; /* another reload was requested meanwhile */
};

enum server_phase {
    SERVER_RUNNING,
    SERVER_LEAVING,  /* balancers learn of it; requests are served */
    SERVER_DRAINING, /* running requests may finish */
    SERVER_ENDING,   /* running requests are cancelled */
};

enum { SIGNAL_TERMINATE, SIGNAL_INTERRUPT, SIGNAL_HANGUP, SIGNALS };

#define TICK_MILLISECONDS 250

struct server {
    uv_loop_t loop;
    const struct options *options;
    struct service service;
    enum server_phase phase;

    struct listener listeners[4 * SOCKETS_MAX + 3];
    unsigned listener_count;
    uv_timer_t pause; /* runs while clients can be neither accepted nor rejected */
    struct admission admission;
    struct bound_socket bound[SOCKET_PROTOCOLS];
    struct http_server *http; /* NULL: no HTTP */
    struct lingering_list agent_clients;
    unsigned agent_client_count;

    struct connection *connections; /* a list */
    unsigned last_connection_id;
    char *read_buffer;

    uv_signal_t signals[SIGNALS];
    uv_timer_t tick;     /* runs while there are connections, or while draining */
    uv_timer_t watchdog; /* runs if systemd requires it */
    uint64_t leave_deadline, drain_deadline; /* loop time, ms */
    unsigned ticks, end_tick;                /* so far; the last one of SERVER_ENDING */
    char status[120];                        /* last one sent to systemd */
    struct reload reload;
};

/* ---- server.c ---- */

/* Starts the tick timer, which stops itself when it is no longer needed. */
void server_keep_ticking(struct server *server);

/* Stops listening and removes the Unix sockets that we bound. May be called twice. */
void server_stop_listening(struct server *server);

/* ---- reload.c ---- */

/* Reads the configuration again and applies it, except for settings that need a restart. */
void reload_start(struct server *server);

/* Installs the callback that reopens the default model when its device fails. */
void reload_on_device_loss(struct server *server);

/* ---- drain.c ---- */

/* The first call starts to leave or to drain, the second cancels what runs. */
void drain_start(struct server *server);

/* Checks whether to enter the next phase or to stop the loop. */
void drain_tick(struct server *server);

#endif
