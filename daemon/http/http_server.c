// SPDX-License-Identifier: MIT
#include "daemon/http/http_server.h"

#include "daemon/common/spaced_list.h"
#include "daemon/http/access_tokens.h"
#include "daemon/http/http_exchange.h"
#include "daemon/http/http_routes.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Memory of a connection for its headers and its unread bytes. */
#define CONNECTION_BYTES 65536u

/* The rest of a body up to this size is read and dropped before an early answer; a larger one ends
 * the connection. */
#define DROPPED_BYTES (UINT64_C(1) << 20)

/* Calls of libmicrohttpd in a row that it wanted at once; further ones come once a millisecond. */
#define AT_ONCE_MAX 1000u

/* Time for a client that still sends to read an early answer. */
#define LINGER_MILLISECONDS 3000

struct http_connection {
    struct http_server *server;
    struct MHD_Connection *connection;
    int descriptor;
    struct http_exchange *exchange; /* in progress, or NULL */
    bool lingers;                   /* its last answer was early */
    bool probes_only;
    struct http_connection *previous, *next;
};

struct lingering;

struct http_server {
    struct service *service;
    uv_loop_t *loop;
    void (*closed)(void *context);
    void *context;
    struct access_tokens tokens;
    struct MHD_Daemon *daemon;
    uv_poll_t poll; /* of its epoll descriptor */
    uv_timer_t timer;
    uv_idle_t again;  /* it has more to do, after other work of the loop */
    unsigned at_once; /* times in a row that it had */
    bool probes_only; /* the connection that is being adopted */
    struct http_connection *connections;
    struct lingering *lingers;
    unsigned handles; /* of the loop, that are open */
};

/* ---- The loop ---- */

static void on_timer(uv_timer_t *timer);
static void on_again(uv_idle_t *idle);

/* libmicrohttpd wants to be called at once also for a connection that cannot go on, such as one in
 * an endless chunk header: then it is a timer's turn, so that nothing spins. */
static void run(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG milliseconds = 0;
    MHD_run(server->daemon);
    bool waits = MHD_get_timeout(server->daemon, &milliseconds) == MHD_YES;
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
    uv_idle_start(&server->again, on_again);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run(poll->data);
}

/* ---- Lingering ---- */

/* A duplicate of the socket of a client that still sends although it was answered: closing it with
 * unread bytes would reset the connection, and the client would lose the answer. */
struct lingering {
    uv_poll_t poll;
    uv_timer_t timer;
    int descriptor;
    unsigned handles;
    struct http_server *server;
    struct lingering *previous, *next;
};

/* The last handle frees the server, once it was destroyed. */
static void release_handle(struct http_server *server)
{
    if (--server->handles > 0)
        return;
    access_tokens_finish(&server->tokens);
    free(server);
}

static void on_linger_closed(uv_handle_t *handle)
{
    struct lingering *linger = handle->data;
    struct http_server *server = linger->server;
    if (--linger->handles == 0) {
        close(linger->descriptor);
        if (server->closed)
            server->closed(server->context);
        free(linger);
    }
    release_handle(server);
}

static void end_linger(struct lingering *linger)
{
    if (uv_is_closing((uv_handle_t *)&linger->poll))
        return;
    if (linger->next)
        linger->next->previous = linger->previous;
    if (linger->previous)
        linger->previous->next = linger->next;
    else
        linger->server->lingers = linger->next;
    uv_close((uv_handle_t *)&linger->poll, on_linger_closed);
    uv_close((uv_handle_t *)&linger->timer, on_linger_closed);
}

static void on_linger_timer(uv_timer_t *timer)
{
    end_linger(timer->data);
}

static void drop_bytes(uv_poll_t *poll, int status, int events)
{
    enum { BLOCKS = 64 };
    struct lingering *linger = poll->data;
    char bytes[16384];
    ssize_t count = 1;
    (void)events;
    for (int i = 0; i < BLOCKS && count > 0; i++)
        count = recv(linger->descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (status < 0 || count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        end_linger(linger);
}

/* True: `closed` is called later. */
static bool start_linger(struct http_server *server, int descriptor)
{
    struct lingering *linger = calloc(1, sizeof(*linger));
    int copy = linger ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0 || uv_poll_init(server->loop, &linger->poll, copy) < 0) {
        if (copy >= 0)
            close(copy);
        free(linger);
        return false;
    }
    uv_timer_init(server->loop, &linger->timer);
    linger->poll.data = linger->timer.data = linger;
    linger->descriptor = copy;
    linger->server = server;
    linger->handles = 2;
    linger->next = server->lingers;
    if (linger->next)
        linger->next->previous = linger;
    server->lingers = linger;
    server->handles += 2;
    shutdown(copy, SHUT_WR);
    uv_poll_start(&linger->poll, UV_READABLE, drop_bytes);
    uv_timer_start(&linger->timer, on_linger_timer, LINGER_MILLISECONDS, 0);
    return true;
}

/* ---- Connections ---- */

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
    bool lingers = false;
    if (removed) {
        if (removed->next)
            removed->next->previous = removed->previous;
        if (removed->previous)
            removed->previous->next = removed->next;
        else
            server->connections = removed->next;
        lingers = removed->lingers && start_linger(server, removed->descriptor);
        free(removed);
    }
    if (!lingers && server->closed)
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

/* ---- Keys and origins ---- */

static const char *key_of(const struct http_exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    const char *value = http_exchange_header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    if (value && strncasecmp(value, scheme, sizeof(scheme) - 1) == 0)
        return value + strlen(scheme) + strspn(value + strlen(scheme), " ");
    if ((value = http_exchange_header(exchange, "api-key")) ||
        (value = http_exchange_header(exchange, "X-API-Key")))
        return value;
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "api_key");
}

static void find_origin(struct http_exchange *exchange)
{
    const char *allowed = exchange->service->settings.http_allow_origins;
    const char *origin = http_exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN);
    if (!origin || strlen(origin) >= sizeof(exchange->origin))
        return;
    if (spaced_list_has(allowed, origin) || spaced_list_has(allowed, "*"))
        strcpy(exchange->origin, origin);
}

static void add_origin(const struct http_exchange *exchange, struct MHD_Response *response)
{
    if (*exchange->origin == '\0')
        return;
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN,
                            exchange->origin);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
                            "X-Request-Id, Retry-After");
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
}

/* A browser's question before a request of another origin; it comes without a key. */
static void answer_preflight(struct http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response && *exchange->origin) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                                "GET, POST, OPTIONS");
        const char *wanted = http_exchange_header(exchange, "Access-Control-Request-Headers");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                                wanted ? wanted : "Authorization, Content-Type");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "86400");
    }
    http_exchange_answer(exchange, MHD_HTTP_NO_CONTENT, response);
}

/* ---- Requests ---- */

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* The identity that the client or a proxy gave the request, or one made here. */
static void identify(struct http_exchange *exchange)
{
    const char *id = http_exchange_header(exchange, "X-Request-Id");
    const char *trace = http_exchange_header(exchange, "traceparent");
    if (id && *id && strlen(id) < sizeof(exchange->id) && is_printable(id)) {
        strcpy(exchange->id, id);
    } else {
        unsigned char bytes[12] = {0};
        if (getrandom(bytes, sizeof(bytes), 0) < 0)
            memcpy(bytes, &exchange->began, sizeof(exchange->began));
        char *end = stpcpy(exchange->id, "req_");
        for (size_t i = 0; i < sizeof(bytes); i++)
            end += sprintf(end, "%02x", bytes[i]);
    }
    if (trace && strlen(trace) < sizeof(exchange->trace) && is_printable(trace))
        strcpy(exchange->trace, trace);
}

/* What the headers say of the body. */
struct body_statement {
    const char *wrong; /* a header that programs understand differently, or NULL */
    unsigned count;    /* of lengths and encodings: where the body ends */
    bool chunked;
    uint64_t length;
};

static bool is_token(const char *name, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && (!name[i] || !strchr(others, name[i])))
            return false;
    return size > 0;
}

static bool is_number(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits < 20 && value[digits] == '\0';
}

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct body_statement *body = context;
    (void)kind;
    const char *text = value ? value : "";
    if (!is_token(name, name_size) || strlen(text) != value_size) {
        body->wrong = "a name or a value has characters that it may not have";
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        body->count++;
        body->length = strtoull(text, NULL, 10);
        if (!is_number(text))
            body->wrong = "Content-Length is no number";
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        body->count++;
        body->chunked = true;
        if (strcasecmp(text, "chunked") != 0)
            body->wrong = "Transfer-Encoding is not chunked";
    }
    return MHD_YES;
}

/* Refuses what two programs could understand differently, and what is too large. */
static void check_body(struct http_exchange *exchange, const char *version)
{
    uint64_t limit = (uint64_t)exchange->service->settings.http_upload_mib << 20;
    struct body_statement body = {0};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, read_header, &body);
    exchange->body_length = body.chunked ? UINT64_MAX : body.length;
    if (!body.wrong && body.count > 1)
        body.wrong = "the length of the body is stated twice";
    if (!body.wrong && body.chunked && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        body.wrong = "Transfer-Encoding needs HTTP/1.1";
    if (body.wrong) {
        exchange->early = true; /* where the body ends is anybody's guess */
        http_exchange_fail(exchange, 400, NULL, NULL, "headers: %s", body.wrong);
    } else if (!body.chunked && body.length > limit) {
        http_exchange_fail(exchange, 413, "too_large", "file",
                           "the body has %llu bytes, expected at most %llu (http.upload_mib)",
                           (unsigned long long)body.length, (unsigned long long)limit);
    }
}

static void start_route(struct http_connection *connection, struct http_exchange *exchange)
{
    const struct http_server *server = connection->server;
    exchange->route = http_route_find(exchange);
    if (exchange->status != 0)
        return;
    if (connection->probes_only && !exchange->route->probe) {
        http_exchange_postpone(exchange, 1, "too many connections");
        return;
    }
    if (!exchange->route->open && !access_tokens_match(&server->tokens, key_of(exchange))) {
        http_exchange_fail(exchange, 401, "invalid_api_key", NULL,
                           "got %s, expected one of this server's (Authorization: Bearer KEY)",
                           key_of(exchange) ? "a key that is not known" : "no key");
        if (exchange->response)
            MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        return;
    }
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
    exchange->began = uv_hrtime();
    snprintf(exchange->method, sizeof(exchange->method), "%s", method);
    http_path_normalise(url, exchange->path, sizeof(exchange->path));
    identify(exchange);
    find_origin(exchange);
    check_body(exchange, version);
    if (exchange->status != 0)
        return exchange;
    if (strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0)
        answer_preflight(exchange);
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
    add_origin(exchange, response);
    MHD_add_response_header(response, "X-Request-Id", exchange->id);
    if (*exchange->trace)
        MHD_add_response_header(response, "traceparent", exchange->trace);
    if (exchange->service->draining || exchange->early || connection->probes_only)
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
    free(exchange);
    if (server->service->draining && connection)
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
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_message, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, timeout,
        MHD_OPTION_CONNECTION_LIMIT, 1000000u, MHD_OPTION_END);
    return server->daemon ? 0 : -ENOMEM;
}

int http_server_create(struct service *service, uv_loop_t *loop, void (*closed)(void *context),
                       void *context, struct http_server **server, struct hearken_error *error)
{
    struct http_server *created = calloc(1, sizeof(*created));
    if (!created)
        return hearken_fail(error, -ENOMEM, "out of memory");
    *created = (struct http_server){
        .service = service, .loop = loop, .closed = closed, .context = context};
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
    while (server->lingers)
        end_linger(server->lingers);
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
    char answer[400], dropped[4096];
    int length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                          "Retry-After: 1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          sizeof(body) - 1, body);
    ssize_t sent = send(descriptor, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the socket is closed in any case */
    shutdown(descriptor, SHUT_WR);
    for (int i = 0; i < 16 && recv(descriptor, dropped, sizeof(dropped), MSG_DONTWAIT) > 0; i++)
        continue;
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
        else if (!(c->exchange && c->exchange->suspended) && has_ended(c->descriptor))
            shutdown(c->descriptor, SHUT_RD);
    }
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
    run(server);
}

void http_server_cancel(struct http_server *server)
{
    for (struct http_connection *c = server->connections; c; c = c->next) {
        if (c->exchange)
            http_exchange_abandon(c->exchange);
        shutdown(c->descriptor, SHUT_RDWR);
    }
    run(server);
}
