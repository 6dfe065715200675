// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server_private.h"
#include "systemd.h"

#define BACKLOG 128

static void on_client(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    if (status < 0)
        log_warning(listener->server->service.log, "cannot accept: %s", uv_strerror(status));
    else
        server_accept(listener);
}

/* Takes over the descriptor, also on failure. */
static int listen_on(struct server *server, const struct socket_listener *made,
                     struct hearken_error *error)
{
    struct listener *listener = &server->listeners[server->listener_count];
    listener->server = server;
    listener->kind = made->kind;
    int status = made->kind == SOCKET_UNIX ? uv_pipe_init(&server->loop, &listener->pipe, 0)
                                           : uv_tcp_init(&server->loop, &listener->tcp);
    if (status < 0) {
        close(made->descriptor);
        goto fail;
    }
    listener->handle.data = listener;
    server->listener_count++;
    status = made->kind == SOCKET_UNIX ? uv_pipe_open(&listener->pipe, made->descriptor)
                                       : uv_tcp_open(&listener->tcp, made->descriptor);
    if (status < 0) {
        close(made->descriptor);
        goto fail;
    }
    status = uv_listen(&listener->stream, BACKLOG, on_client);
    if (status == 0)
        return 0;

fail:
    snprintf(error->message, sizeof error->message, "cannot listen: %s", uv_strerror(status));
    return status;
}

static int listen_on_all(struct server *server, const struct socket_listener *made, int count,
                         struct hearken_error *error)
{
    int status = 0;
    for (int i = 0; i < count; i++) {
        if (status == 0)
            status = listen_on(server, &made[i], error);
        else
            close(made[i].descriptor);
    }
    return status;
}

static int open_unix(struct server *server, struct hearken_error *error)
{
    const struct settings *settings = &server->service.settings;
    struct socket_listener made;
    char *path = *settings->socket != '\0' ? strdup(settings->socket) : socket_standard_path(error);
    if (path == NULL)
        return -EINVAL;
    int status = socket_open_unix(path, settings->socket_mode, &made, error);
    if (status < 0) {
        free(path);
        return status;
    }
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
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        given[made[i].kind] = true;
    if (count > 0)
        log_info(server->service.log, "listening on %d socket%s from systemd", count,
                 count > 1 ? "s" : "");
    int status = listen_on_all(server, made, count, error);
    if (status == 0 && !given[SOCKET_UNIX])
        status = open_unix(server, error);
    if (status == 0 && !given[SOCKET_TCP])
        status = open_tcp(server, error);
    return status;
}

static void remove_socket(struct server *server)
{
    struct stat now;
    if (server->socket_path == NULL)
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
    for (unsigned i = 0; i < server->listener_count; i++)
        uv_close(&server->listeners[i].handle, NULL);
    server->listener_count = 0;
}
