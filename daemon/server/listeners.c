// SPDX-License-Identifier: MIT
#include "daemon/server/server_private.h"
#include "daemon/server/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

/* Clients taken at a time, so that those who are there get their turn. */
#define ACCEPTS_MAX 64

/* Between two looks whether clients can be taken again. */
#define PAUSE_MILLISECONDS 500

/* ---- Clients ---- */

static void on_client(uv_poll_t *poll, int status, int events);

static void watch(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_client);
}

static void go_on(uv_timer_t *timer)
{
    struct server *server = timer->data;
    for (unsigned i = 0; i < server->listener_count; i++)
        watch(&server->listeners[i]);
}

/* A client that waits would be told of again and again. */
static void pause_all(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        uv_poll_stop(&server->listeners[i].poll);
    uv_timer_start(&server->pause, go_on, PAUSE_MILLISECONDS, 0);
}

/* accept has failed. False: nobody can be taken just now. */
static bool get_over(struct listener *listener, int reason)
{
    char why[120];
    if (reason == EINTR || reason == ECONNABORTED || reason == EPROTO)
        return true;
    snprintf(why, sizeof(why), "cannot accept: %s", strerror(reason));
    server_note_refusal(listener->server, why);
    return (reason == EMFILE || reason == ENFILE) &&
           admission_turn_away_next(&listener->server->admission, listener->descriptor);
}

static void on_client(uv_poll_t *poll, int result, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_MAX && result == 0; i++) {
        int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0) {
            server_accept(listener, descriptor);
        } else if (errno == EAGAIN) {
            return;
        } else if (!get_over(listener, errno)) {
            pause_all(listener->server);
            return;
        }
    }
    if (result < 0)
        pause_all(listener->server);
}

/* ---- Opening ---- */

/* Takes over the descriptor, also on failure. */
static int listen_on(struct server *server, const struct socket_listener *made,
                     struct hearken_error *error)
{
    struct listener *listener = &server->listeners[server->listener_count];
    *listener = (struct listener){
        .server = server,
        .descriptor = made->descriptor,
        .kind = made->kind,
    };
    int result = listen(made->descriptor, BACKLOG) < 0 ? -errno : 0;
    if (result == 0)
        result = uv_poll_init(&server->loop, &listener->poll, made->descriptor);
    if (result < 0) {
        close(made->descriptor);
        return hearken_fail(error, result, "cannot listen: %s", uv_strerror(result));
    }
    listener->poll.data = listener;
    server->listener_count++;
    watch(listener);
    return 0;
}

static int listen_on_all(struct server *server, const struct socket_listener *made, int count,
                         struct hearken_error *error)
{
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = listen_on(server, &made[i], error);
        else
            close(made[i].descriptor);
    }
    return result;
}

static int settings_socket_path(const struct settings *settings, char **path,
                                struct hearken_error *error)
{
    if (*settings->socket == '\0')
        return socket_standard_path(path, error);
    *path = strdup(settings->socket);
    return *path ? 0 : hearken_fail(error, -ENOMEM, "out of memory");
}

static void warn_if_out_of_reach(struct server *server, const char *path)
{
    char folder[PATH_MAX];
    unsigned mode = server->service.settings.socket_mode;
    if (!socket_is_within_reach(path, mode, folder))
        log_warning(server->service.log,
                    "socket_mode %04o lets more users in than the folder %s does: open that, or "
                    "set server.socket to a path elsewhere",
                    mode, folder);
}

static int open_unix(struct server *server, struct hearken_error *error)
{
    const struct settings *settings = &server->service.settings;
    struct socket_listener made;
    char *path = NULL;
    int result = settings_socket_path(settings, &path, error);
    if (result == 0)
        result = socket_open_unix(path, settings->socket_mode, &made, error);
    if (result < 0) {
        free(path);
        return result;
    }
    warn_if_out_of_reach(server, path);
    server->socket_path = path;
    if (lstat(path, &server->socket_status) < 0)
        server->socket_status = (struct stat){0};
    log_info(server->service.log, "listening on %s", path);
    return listen_on(server, &made, error);
}

static int open_tcp(struct server *server, struct hearken_error *error)
{
    const char *address = server->service.settings.tcp;
    struct socket_listener made[SOCKETS_MAX];
    if (*address == '\0')
        return 0;
    int count = socket_open_tcp(address, made, error);
    if (count < 0)
        return count;
    log_info(server->service.log, "listening on TCP %s", address);
    return listen_on_all(server, made, count, error);
}

/* What systemd hands over stands in for the setting of the same kind. */
int listeners_open(struct server *server, struct hearken_error *error)
{
    struct socket_listener made[SOCKETS_MAX];
    bool given[] = {[SOCKET_UNIX] = false, [SOCKET_TCP] = false};
    int count = systemd_take_sockets(made, error);
    uv_timer_init(&server->loop, &server->pause);
    server->pause.data = server;
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        given[made[i].kind] = true;
    if (count > 0)
        log_info(server->service.log, "listening on %d socket%s from systemd", count,
                 count > 1 ? "s" : "");
    int result = listen_on_all(server, made, count, error);
    if (result == 0 && !given[SOCKET_UNIX])
        result = open_unix(server, error);
    if (result == 0 && !given[SOCKET_TCP])
        result = open_tcp(server, error);
    return result;
}

static void remove_socket(struct server *server)
{
    struct stat now;
    if (!server->socket_path)
        return;
    if (lstat(server->socket_path, &now) == 0 && now.st_dev == server->socket_status.st_dev &&
        now.st_ino == server->socket_status.st_ino)
        unlink(server->socket_path);
    free(server->socket_path);
    server->socket_path = NULL;
}

void listeners_close(struct server *server)
{
    remove_socket(server);
    for (unsigned i = 0; i < server->listener_count; i++) {
        uv_close((uv_handle_t *)&server->listeners[i].poll, NULL);
        close(server->listeners[i].descriptor);
    }
    server->listener_count = 0;
}
