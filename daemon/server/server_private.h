// SPDX-License-Identifier: MIT
/* Shared by the files that make up the server: server.c, reload.c and drain.c. */
#ifndef HEARKEN_DAEMON_SERVER_SERVER_PRIVATE_H
#define HEARKEN_DAEMON_SERVER_SERVER_PRIVATE_H

#include "daemon/recognition/service.h"
#include "daemon/server/admission.h"
#include "daemon/server/connection.h"
#include "daemon/server/daemon_options.h"
#include "daemon/server/sockets.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

struct server;

/* libuv's own accept closes clients excluded_backend a word when descriptors run out: this one is ours. */
struct listener {
    uv_poll_t poll;
    struct server *server;
    int descriptor;
    enum socket_kind kind;
};

/* Opening a model while the old one goes on serving, or fails. */
struct reload {
    struct work work;
    struct server *server;
    struct settings settings; /* that it is opened with, to be put in force if it can be */
    bool opens;               /* the default model, again */
    bool reload_all;              /* all models are to be loaded anew */
    struct model_list list;
    struct served_model *model; /* the default, if it is opened */
    int status;
    struct hearken_error error;
    const char *excluded_backend; /* a backend to pass over: of the model in force, or NULL */
    bool running;
    bool again; /* asked for once more meanwhile */
};

enum server_phase {
    SERVER_RUNNING,
    SERVER_DRAINING, /* requests in hand may finish */
    SERVER_ENDING,   /* all is being cancelled */
};

enum { SIGNAL_TERMINATE, SIGNAL_INTERRUPT, SIGNAL_HANGUP, SIGNALS };

struct server {
    uv_loop_t loop;
    const struct options *options;
    struct service service;
    enum server_phase phase;

    struct listener listeners[2 * SOCKETS_MAX + 1];
    unsigned listener_count;
    uv_timer_t pause; /* runs while no client can be taken or told */
    struct admission admission;
    char *socket_path;         /* of the socket that we made, or NULL */
    struct stat socket_status; /* of its name, so that no other's is removed */

    struct connection *connections; /* a list */
    unsigned connections_made;
    char *read_buffer;

    uv_signal_t signals[SIGNALS];
    uv_timer_t tick;     /* runs while there are connections, or while draining */
    uv_timer_t watchdog; /* runs if systemd wants it */
    uint64_t drain_deadline, end_deadline;
    char status[120]; /* that systemd was told last */
    struct reload reload;
};

/* ---- server.c ---- */

/* Runs the tick while it is needed. */
void server_keep_ticking(struct server *server);

/* Stops listening, and removes the socket that we made. May be called twice. */
void server_stop_listening(struct server *server);

/* ---- reload.c ---- */

/* Reads the configuration again and puts it in force as far as that can be done. */
void reload_start(struct server *server);

/* Sees to it that the model in force is opened anew when its device fails. */
void reload_at_loss(struct server *server);

/* ---- drain.c ---- */

/* Once: drain. Once more: end. */
void drain_start(struct server *server);

/* Looks whether it is time to go on to the next phase, or to leave the loop. */
void drain_tick(struct server *server);

#endif
