// SPDX-License-Identifier: MIT
#include "daemon/http/http_server.h"

#include "daemon/common/socket_drop.h"
#include "daemon/http/access_tokens.h"
#include "daemon/http/http_exchange.h"
#include "daemon/http/lingering.h"
#include "daemon/http/request_headers.h"
#include "daemon/http/websocket.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Memory of a connection for its headers and its unread bytes. */
#define CONNECTION_BYTES 65536u

/* The rest of a body up to this size is read and dropped before an early answer; a larger one ends
 * the connection. */
#define DROPPED_BYTES (UINT64_C(1) << 20)

/* Calls of libmicrohttpd in a row that it wanted at once; further ones come once a millisecond. */
#define AT_ONCE_MAX 1000u

struct http_connection {
    struct http_server *server;
    struct MHD_Connection *connection;
    int descriptor;
    struct http_exchange *exchange; /* in progress, or NULL */
    bool lingers;                   /* its last answer was early */
    bool upgraded;                  /* the socket is a WebSocket's */
    bool probes_only;
    struct http_connection *previous, *next;
};

struct http_server {
    struct service *service;
    const struct http_router *router;
    uv_loop_t *loop;
    void (*closed)(void *context);
    void *context;
    struct access_tokens tokens;
    struct MHD_Daemon *daemon;
    uv_poll_t poll; /* of its epoll descriptor */
    uv_timer_t timer;
    uv_idle_t again;  /* it has more to do, after other work of the loop */
    bool woken;       /* it has, though it does not say so */
    unsigned at_once; /* times in a row that it had */
    bool probes_only; /* the connection that is being adopted */
    struct http_connection *connections;
    struct lingering_list lingering;
    struct websocket_list websockets;
    unsigned handles; /* of the loop, that are open, and clients with their own */
};

/* ---- The loop ---- */

static void on_timer(uv_timer_t *timer);
static void on_again(uv_idle_t *idle);

/* libmicrohttpd wants to be called at once also for a connection that cannot go on, such as one in
 * an endless chunk header: then it is a timer's turn, so that nothing spins. */
static void run(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG milliseconds = 0;
    server->woken = false;
    MHD_run(server->daemon);
    bool waits = MHD_get_timeout(server->daemon, &milliseconds) == MHD_YES;
    if (server->woken) {
        waits = true;
        milliseconds = 0;
    }
    server->at_once = waits && milliseconds == 0 ? server->at_once + 1 : 0;
    uv_idle_stop(&server->again);
    uv_timer_stop(&server->timer);
    if (server->at_once > 0 && server->at_once <= AT_ONCE_MAX)
        uv_idle_start(&server->again, on_again);
    else if (waits)
        uv_timer_start(&server->timer, on_timer, milliseconds > 0 ? milliseconds : 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_again(uv_idle_t *idle)
{
    run(idle->data);
}

/* Later, for it may be libmicrohttpd that calls us. */
static void wake(struct http_exchange *exchange)
{
    struct http_server *server = exchange->waker;
    server->woken = true;
    uv_idle_start(&server->again, on_again);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run(poll->data);
}

/* ---- Connections ---- */

/* The last handle frees the server, once it was destroyed. */
static void release_handle(struct http_server *server)
{
    if (--server->handles > 0)
        return;
    access_tokens_finish(&server->tokens);
    free(server);
}

/* A client is gone whose socket was no longer libmicrohttpd's. */
static void on_own_closed(void *context)
{
    struct http_server *server = context;
    if (server->closed)
        server->closed(server->context);
    release_handle(server);
}

static void on_websocket_opened(void *context)
{
    struct http_server *server = context;
    server->handles++;
    server->service->websockets++;
}

static void on_websocket_closed(void *context)
{
    struct http_server *server = context;
    server->service->websockets--;
    on_own_closed(server);
}

static void add_connection(struct http_server *server, struct MHD_Connection *connection,
                           void **socket_context)
{
    struct http_connection *added = calloc(1, sizeof(*added));
    *socket_context = added;
    if (!added)
        return; /* its requests are refused */
    *added = (struct http_connection){
        .server = server,
        .connection = connection,
        .descriptor =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
        .probes_only = server->probes_only,
        .next = server->connections,
    };
    if (added->next)
        added->next->previous = added;
    server->connections = added;
}

static void remove_connection(struct http_server *server, struct http_connection *removed)
{
    bool goes_on = false;
    if (removed) {
        if (removed->next)
            removed->next->previous = removed->previous;
        if (removed->previous)
            removed->previous->next = removed->next;
        else
            server->connections = removed->next;
        if (removed->lingers && lingering_start(&server->lingering, removed->descriptor))
            goes_on = true;
        server->handles += goes_on;
        goes_on |= removed->upgraded;
        free(removed);
    }
    if (!goes_on && server->closed)
        server->closed(server->context);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        add_connection(context, connection, socket_context);
    else
        remove_connection(context, *socket_context);
}

static struct http_connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* ---- Requests ---- */

static void start_route(struct http_connection *connection, struct http_exchange *exchange)
{
    const struct http_server *server = connection->server;
    exchange->route = connection->server->router->find(exchange);
    if (exchange->status != 0)
        return;
    if (connection->probes_only && !exchange->route->probe) {
        http_exchange_postpone(exchange, 1, "too many connections");
        return;
    }
    if (exchange->route->open || request_headers_check_key(exchange, &server->tokens))
        exchange->route->start(exchange);
}

static struct http_exchange *begin_exchange(struct http_connection *connection, const char *url,
                                            const char *method, const char *version)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange)
        return NULL;
    connection->exchange = exchange;
    exchange->service = server->service;
    exchange->loop = server->loop;
    exchange->connection = connection->connection;
    exchange->wake = wake;
    exchange->waker = server;
    exchange->websockets = &server->websockets;
    exchange->began = uv_hrtime();
    snprintf(exchange->method, sizeof(exchange->method), "%s", method);
    server->router->normalise(url, exchange->path, sizeof(exchange->path));
    request_headers_identify(exchange);
    request_headers_find_origin(exchange);
    request_headers_check_body(exchange, version);
    if (exchange->status != 0)
        return exchange;
    if (strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0)
        request_headers_answer_preflight(exchange);
    else
        start_route(connection, exchange);
    return exchange;
}

static enum MHD_Result queue_answer(const struct http_connection *connection,
                                    struct http_exchange *exchange)
{
    struct MHD_Response *response = exchange->response;
    if (!response)
        return MHD_NO;
    exchange->response = NULL;
    request_headers_add_origin(exchange, response);
    MHD_add_response_header(response, "X-Request-Id", exchange->id);
    if (*exchange->trace)
        MHD_add_response_header(response, "traceparent", exchange->trace);
    if (exchange->service->leaving || exchange->service->draining || exchange->early ||
        connection->probes_only)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

/* An answer before the body was read ends the connection; so it is only given where reading the
 * rest would take long, or where the client waits for leave to send. */
static bool answers_early(const struct http_exchange *exchange)
{
    return exchange->early || exchange->body_length > DROPPED_BYTES ||
           (exchange->body_length > 0 && http_exchange_header(exchange, MHD_HTTP_HEADER_EXPECT));
}

static enum MHD_Result handle_start(struct http_connection *connection,
                                    struct http_exchange *exchange)
{
    if (exchange->status == 0 || !answers_early(exchange))
        return MHD_YES;
    exchange->early = connection->lingers = true;
    return queue_answer(connection, exchange);
}

static enum MHD_Result handle_end(const struct http_connection *connection,
                                  struct http_exchange *exchange)
{
    if (exchange->gone)
        return MHD_NO;
    if (!exchange->ended) {
        exchange->ended = true;
        if (exchange->status == 0 && exchange->route->end)
            exchange->route->end(exchange);
    }
    if (exchange->status != 0)
        return queue_answer(connection, exchange);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

/* An error was found in a body that does not end, where libmicrohttpd takes no answer. */
static enum MHD_Result answer_within_body(struct http_connection *connection,
                                          const struct http_exchange *exchange)
{
    char answer[2048];
    const char *text = exchange->failure ? exchange->failure : "";
    int length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n"
                          "X-Request-Id: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          exchange->status, MHD_get_reason_phrase_for(exchange->status),
                          exchange->id, strlen(text), text);
    if (length > 0 && (size_t)length < sizeof(answer) &&
        send(connection->descriptor, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length)
        connection->lingers = true;
    return MHD_NO;
}

/* A part of the body. Behind an error the rest is read, for most clients read no answer before
 * they have sent all; but not for ever. */
static enum MHD_Result handle_body(struct http_connection *connection,
                                   struct http_exchange *exchange, const char *bytes, size_t size)
{
    uint64_t limit = (uint64_t)exchange->service->settings.http_upload_mib << 20;
    if (exchange->status != 0) {
        exchange->dropped += size;
        return exchange->dropped <= limit ? MHD_YES : answer_within_body(connection, exchange);
    }
    exchange->received += size;
    if (exchange->received > limit)
        http_exchange_fail(exchange, 413, "too_large", "file",
                           "the body has more than %llu bytes, expected less (http.upload_mib)",
                           (unsigned long long)limit);
    else if (exchange->route->body)
        exchange->route->body(exchange, bytes, size);
    return MHD_YES;
}

/* libmicrohttpd's handler: called with the headers, with each part of the body, with its end, and
 * each time that the connection is resumed after that. */
static enum MHD_Result handle(void *context, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **request_context)
{
    struct http_connection *connection = connection_of(mhd);
    struct http_exchange *exchange = *request_context;
    (void)context;
    if (!connection)
        return MHD_NO;
    if (!exchange) {
        exchange = *request_context = begin_exchange(connection, url, method, version);
        return exchange ? handle_start(connection, exchange) : MHD_NO;
    }
    if (*size == 0)
        return handle_end(connection, exchange);
    enum MHD_Result result = handle_body(connection, exchange, bytes, *size);
    *size = 0;
    return result;
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *server = context;
    struct http_exchange *exchange = *request_context;
    struct http_connection *connection = connection_of(mhd);
    if (!exchange)
        return;
    *request_context = NULL;
    if (connection)
        connection->exchange = NULL;
    bool cut = connection && connection->lingers;
    exchange->gone = code != MHD_REQUEST_TERMINATED_COMPLETED_OK && !cut;
    /* Balancers and Prometheus ask every few seconds. */
    bool is_routine = strcmp(exchange->method, MHD_HTTP_METHOD_POST) != 0 && exchange->status < 400;
    (is_routine ? log_debug : log_info)(
        server->service->log, "request %s: %s /%s: %u%s, %.3f s", exchange->id, exchange->method,
        exchange->path, exchange->status, exchange->gone ? ", the client is gone" : "",
        (double)(uv_hrtime() - exchange->began) * 1e-9);
    if (exchange->route && exchange->route->finish)
        exchange->route->finish(exchange);
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    free(exchange->outgoing.bytes);
    free(exchange->failure);
    websocket_discard(exchange->websocket);
    bool upgraded = exchange->upgraded;
    free(exchange);
    if (connection)
        connection->upgraded = upgraded;
    if (server->service->draining && connection && !upgraded)
        shutdown(connection->descriptor, SHUT_RD); /* no other request */
}

static void log_message(void *context, const char *format, va_list arguments)
{
    struct http_server *server = context;
    char text[400];
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug(server->service->log, "http: %s", text);
}

/* ---- Interface ---- */

static int start_daemon(struct http_server *server)
{
    unsigned timeout = (unsigned)ceilf(server->service->settings.stall_seconds);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_message, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, timeout,
        MHD_OPTION_CONNECTION_LIMIT, 1000000u, MHD_OPTION_END);
    return server->daemon ? 0 : -ENOMEM;
}

int http_server_create(struct service *service, uv_loop_t *loop, const struct http_router *router,
                       void (*closed)(void *context), void *context, struct http_server **server,
                       struct hearken_error *error)
{
    struct http_server *created = calloc(1, sizeof(*created));
    if (!created)
        return hearken_fail(error, -ENOMEM, "out of memory");
    *created = (struct http_server){
        .service = service, .loop = loop, .router = router, .closed = closed, .context = context};
    created->lingering =
        (struct lingering_list){.loop = loop, .closed = on_own_closed, .context = created};
    created->websockets = (struct websocket_list){
        .service = service,
        .loop = loop,
        .opened = on_websocket_opened,
        .closed = on_websocket_closed,
        .context = created,
    };
    int result = access_tokens_read(&created->tokens, service->settings.http_tokens_file, error);
    if (result == 0 && (result = start_daemon(created)) < 0)
        hearken_fail(error, result, "http: cannot start");
    if (result < 0) {
        access_tokens_finish(&created->tokens);
        free(created);
        return result;
    }
    int epoll = MHD_get_daemon_info(created->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    uv_timer_init(loop, &created->timer);
    uv_idle_init(loop, &created->again);
    uv_poll_init(loop, &created->poll, epoll);
    created->timer.data = created->again.data = created->poll.data = created;
    created->handles = 3;
    uv_poll_start(&created->poll, UV_READABLE, on_poll);
    *server = created;
    return 0;
}

static void on_server_closed(uv_handle_t *handle)
{
    release_handle(handle->data);
}

void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    server->closed = NULL;
    http_server_cancel(server);
    uv_close((uv_handle_t *)&server->poll, on_server_closed);
    MHD_stop_daemon(server->daemon);
    lingering_end_all(&server->lingering);
    uv_close((uv_handle_t *)&server->timer, on_server_closed);
    uv_close((uv_handle_t *)&server->again, on_server_closed);
}

int http_server_adopt(struct http_server *server, int descriptor, bool probes_only)
{
    /* The address is only for those who ask for it: nobody does. */
    const struct sockaddr unknown = {.sa_family = AF_UNIX};
    server->probes_only = probes_only;
    if (MHD_add_connection(server->daemon, descriptor, &unknown, sizeof(unknown.sa_family)) !=
        MHD_YES) /* it has closed the descriptor */
        return -ENOMEM;
    run(server);
    return 0;
}

void http_server_refuse(int descriptor)
{
    static const char body[] = "{\"error\":{\"message\":\"too many connections\","
                               "\"type\":\"server_error\",\"param\":null,"
                               "\"code\":\"overloaded\"}}";
    char answer[400];
    int length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                          "Retry-After: 1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          sizeof(body) - 1, body);
    ssize_t sent = send(descriptor, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the socket is closed in any case */
    shutdown(descriptor, SHUT_WR);
    socket_drop(descriptor);
    close(descriptor);
}

/* Whether the client has ended its side, and all that it sent was read. */
static bool has_ended(int descriptor)
{
    struct pollfd state = {.fd = descriptor, .events = POLLRDHUP};
    char byte;
    return poll(&state, 1, 0) > 0 && recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* libmicrohttpd does not look at a suspended connection. At others it may miss an end that came
 * together with the last bytes, as it waits for the next edge: closing our side is one. */
void http_server_tick(struct http_server *server)
{
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c; c = next) {
        next = c->next;
        struct pollfd state = {.fd = c->descriptor, .events = POLLRDHUP};
        if (c->exchange && c->exchange->suspended && poll(&state, 1, 0) > 0 && state.revents != 0)
            http_exchange_abandon(c->exchange);
        else if (!(c->exchange && (c->exchange->suspended || c->exchange->upgraded)) &&
                 has_ended(c->descriptor))
            shutdown(c->descriptor, SHUT_RD);
    }
    websocket_list_tick(&server->websockets);
}

void http_server_reload(struct http_server *server)
{
    const struct settings *settings = &server->service->settings;
    struct access_tokens tokens;
    struct hearken_error error;
    if (server->tokens.required && !*settings->http_tokens_file &&
        !settings->http_allow_anonymous) {
        log_warning(server->service->log, "reload: http.tokens_file: to do without keys, which are "
                                          "kept, needs a restart");
        return;
    }
    if (access_tokens_read(&tokens, settings->http_tokens_file, &error) < 0) {
        log_error(server->service->log, "reload: %s; the keys were not changed", error.message);
        return;
    }
    access_tokens_finish(&server->tokens);
    server->tokens = tokens;
}

void http_server_drain(struct http_server *server)
{
    for (struct http_connection *c = server->connections; c; c = c->next)
        if (!c->exchange)
            shutdown(c->descriptor, SHUT_RD);
    websocket_list_drain(&server->websockets);
    run(server);
}

void http_server_cancel(struct http_server *server)
{
    for (struct http_connection *c = server->connections; c; c = c->next) {
        if (c->exchange)
            http_exchange_abandon(c->exchange);
        shutdown(c->descriptor, SHUT_RDWR);
    }
    websocket_list_cancel(&server->websockets);
    run(server);
}
