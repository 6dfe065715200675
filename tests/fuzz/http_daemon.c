// SPDX-License-Identifier: MIT
#include "tests/fuzz/http_daemon.h"

#include "daemon/api/http_routes.h"
#include "daemon/http/http_server.h"
#include "daemon/microphone/microphone_hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    bool open;
    uv_loop_t loop;
    struct service service;
    struct log log;
    struct http_server *http;
    uv_timer_t tick;
    unsigned connections;
} daemon_under_test;

void must(bool condition)
{
    if (!condition)
        abort();
}

static void on_closed(void *context)
{
    (void)context;
    daemon_under_test.connections--;
}

/* Milliseconds in which an upload that was sent is decoded. */
#define TURNS 1000u

/* So that no uv_run waits for ever. */
static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void open_daemon(void)
{
    struct service *service = &daemon_under_test.service;
    struct model_list list;
    struct hearken_error error;
    must(uv_loop_init(&daemon_under_test.loop) == 0);
    log_init(&daemon_under_test.log, HEARKEN_LOG_ERROR);
    service->log = &daemon_under_test.log;
    must(settings_init(&service->settings) == 0);
    free(service->settings.model_file);
    service->settings.model_file = strdup("/nonexistent/model.gguf");
    service->settings.http_upload_mib = 1;
    service->started = uv_hrtime();
    catalogue_init(&service->models, &daemon_under_test.loop, &service->settings, service->log);
    must(model_list_read(&list, &service->settings, &error) == 0);
    catalogue_replace(&service->models, &list, true, NULL);
    must(workers_create(1, &daemon_under_test.loop, &service->workers) == 0);
    service->hub = microphone_hub_create(service, &daemon_under_test.loop);
    must(service->hub && http_server_create(service, &daemon_under_test.loop, &http_routes,
                                            on_closed, NULL, &daemon_under_test.http, &error) == 0);
    uv_timer_init(&daemon_under_test.loop, &daemon_under_test.tick);
    uv_timer_start(&daemon_under_test.tick, on_tick, 1, 1);
    daemon_under_test.open = true;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length + 1 > text->capacity) {
        text->capacity = 2 * (text->length + length + 1);
        text->bytes = realloc(text->bytes, text->capacity);
        must(text->bytes);
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

/* Reads what there is. False: the daemon has closed the connection. */
static bool receive(int client, struct text *answers)
{
    char bytes[16384];
    for (;;) {
        ssize_t count = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (count <= 0)
            return false;
        text_append(answers, bytes, (size_t)count);
    }
}

void http_daemon_converse(const uint8_t *bytes, size_t size, unsigned choice, struct text *answers)
{
    int ends[2];
    if (!daemon_under_test.open)
        open_daemon();
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    must(http_server_adopt(daemon_under_test.http, ends[1], false) == 0);
    daemon_under_test.connections++;
    bool open = true;
    for (size_t offset = 0; offset < size && open;) {
        size_t piece =
            choice == 0 ? size : 1 + (choice = choice * 1103515245 + 12345) / 65536 % 256;
        if (piece > size - offset)
            piece = size - offset;
        ssize_t sent = send(ends[0], bytes + offset, piece, MSG_NOSIGNAL);
        offset += sent > 0 ? (size_t)sent : 0;
        uv_run(&daemon_under_test.loop, UV_RUN_NOWAIT);
        open = receive(ends[0], answers) && (sent >= 0 || errno == EAGAIN);
    }
    shutdown(ends[0], SHUT_WR);
    for (unsigned turns = 0; open; turns++) {
        uv_run(&daemon_under_test.loop, UV_RUN_ONCE);
        open = receive(ends[0], answers);
        if (turns > TURNS) /* a client that has ended its side counts as gone: not too soon */
            http_server_tick(daemon_under_test.http);
    }
    receive(ends[0], answers);
    close(ends[0]);
    while (daemon_under_test.connections > 0)
        uv_run(&daemon_under_test.loop, UV_RUN_ONCE);
}
