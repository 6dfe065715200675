// SPDX-License-Identifier: MIT
#include "daemon/server/server.h"

#include "daemon/api/http_routes.h"
#include "daemon/common/json_text.h"
#include "daemon/common/resident_memory.h"
#include "daemon/microphone/microphone_hub.h"
#include "daemon/server/agent.h"
#include "daemon/server/server_private.h"
#include "daemon/server/systemd.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

/* Clients accepted in one go, so that open connections are served in between. */
#define ACCEPTS_MAX 64

/* Pause after a failed accept. */
#define PAUSE_MILLISECONDS 500

/* ---- Closing the listeners ---- */

static void remove_socket(struct bound_socket *bound)
{
    struct stat now;
    if (!bound->path)
        return;
    if (lstat(bound->path, &now) == 0 && now.st_dev == bound->status.st_dev &&
        now.st_ino == bound->status.st_ino)
        unlink(bound->path);
    free(bound->path);
    bound->path = NULL;
}

void server_stop_listening(struct server *server)
{
    for (unsigned i = 0; i < SOCKET_PROTOCOLS; i++)
        remove_socket(&server->bound[i]);
    for (unsigned i = 0; i < server->listener_count; i++) {
        uv_close((uv_handle_t *)&server->listeners[i].poll, NULL);
        close(server->listeners[i].socket.descriptor);
    }
    server->listener_count = 0;
}

/* ---- The tick ---- */

/* Only changes: systemd forwards each message to its own subscribers. */
static void send_status(struct server *server)
{
    const struct request_totals *totals = &server->service.totals;
    char status[sizeof(server->status)];
    snprintf(status, sizeof(status), "%u connections, %llu requests running, %llu done",
             server->service.connections, (unsigned long long)totals->running,
             (unsigned long long)totals->finished);
    if (strcmp(status, server->status) == 0)
        return;
    strcpy(server->status, status);
    systemd_status("%s", status);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    struct connection *next;
    server->ticks++;
    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection->next;
        connection_tick(connection);
    }
    if (server->http)
        http_server_tick(server->http);
    send_status(server);
    bool crowded = admission_tick(&server->admission, uv_now(&server->loop));
    if (server->service.connections == 0 && server->phase == SERVER_RUNNING && !crowded)
        uv_timer_stop(timer);
    drain_tick(server);
}

void server_keep_ticking(struct server *server)
{
    if (!uv_is_active((const uv_handle_t *)&server->tick))
        uv_timer_start(&server->tick, on_tick, TICK_MILLISECONDS, TICK_MILLISECONDS);
}

/* ---- Connections ---- */

static void remove_connection(struct connection *connection)
{
    struct server *server = connection->owner;
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    server->service.connections--;
    log_debug(server->service.log, "connection %u: closed", connection->id);
    drain_tick(server);
}

static void add_connection(struct server *server, struct connection *connection)
{
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->service.connections++;
    server_keep_ticking(server);
}

static void note_rejection(struct server *server, const char *why)
{
    admission_log_rejection(&server->admission, uv_now(&server->loop), why);
    server_keep_ticking(server);
}

static void on_http_closed(void *context)
{
    struct server *server = context;
    server->service.connections--;
    server->service.http_connections--;
    drain_tick(server);
}

/* Takes over the socket of a new client. */
static void accept_http_client(struct server *server, int descriptor,
                               enum admission_verdict verdict)
{
    if (verdict == ADMISSION_REJECT_AT_ONCE) {
        http_server_refuse(descriptor);
        return;
    }
    server->service.connections++; /* a request may be answered at once, and count it */
    server->service.http_connections++;
    if (http_server_adopt(server->http, descriptor, verdict != ADMISSION_SERVE) < 0) {
        server->service.connections--;
        server->service.http_connections--;
    }
    server_keep_ticking(server);
}

static void on_agent_client_closed(void *context)
{
    struct server *server = context;
    server->agent_client_count--;
}

/* Takes over the socket of a balancer, which is answered without being heard. */
static void answer_agent_client(struct server *server, int descriptor)
{
    agent_answer(&server->service, descriptor);
    if (server->agent_client_count < AGENT_CLIENTS_MAX &&
        lingering_start(&server->agent_clients, descriptor))
        server->agent_client_count++;
    close(descriptor);
}

/* Takes over the socket of a new client. */
static void accept_client(struct listener *listener, int descriptor)
{
    struct server *server = listener->server;
    struct service *service = &server->service;
    struct connection *connection;
    if (listener->socket.protocol == SOCKET_AGENT) {
        answer_agent_client(server, descriptor);
        return;
    }
    enum admission_verdict verdict =
        admission_decide(&server->admission, service->connections, service->settings.connections);
    if (verdict != ADMISSION_SERVE)
        note_rejection(server, "too many connections");
    if (listener->socket.protocol == SOCKET_HTTP) {
        accept_http_client(server, descriptor, verdict);
        return;
    }
    if (verdict == ADMISSION_REJECT_AT_ONCE) {
        admission_reject(descriptor);
        return;
    }
    int result = connection_create(&server->loop, descriptor, listener->socket.kind, service,
                                   server->read_buffer, ++server->last_connection_id,
                                   remove_connection, server, &connection);
    if (result < 0) {
        log_warning(service->log, "cannot serve a client: %s", uv_strerror(result));
        return;
    }
    add_connection(server, connection);
    if (verdict == ADMISSION_REJECT) {
        connection_reject(connection, "busy", "too many connections");
    } else {
        log_debug(service->log, "connection %u: opened", connection->id);
        connection_start(connection);
    }
}

/* ---- Listeners ---- */

static void on_client(uv_poll_t *poll, int status, int events);

static void start_polling(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_client);
}

static void resume_listeners(uv_timer_t *timer)
{
    struct server *server = timer->data;
    for (unsigned i = 0; i < server->listener_count; i++)
        start_polling(&server->listeners[i]);
}

/* Otherwise poll would report the waiting client over and over. */
static void pause_listeners(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        uv_poll_stop(&server->listeners[i].poll);
    uv_timer_start(&server->pause, resume_listeners, PAUSE_MILLISECONDS, 0);
}

/* False: no client can be accepted or rejected at present. */
static bool handle_accept_error(struct listener *listener, int reason)
{
    char why[120];
    if (reason == EINTR || reason == ECONNABORTED || reason == EPROTO)
        return true;
    snprintf(why, sizeof(why), "cannot accept: %s", strerror(reason));
    note_rejection(listener->server, why);
    return (reason == EMFILE || reason == ENFILE) &&
           admission_reject_next(&listener->server->admission, listener->socket.descriptor);
}

static void on_client(uv_poll_t *poll, int result, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_MAX && result == 0; i++) {
        int descriptor =
            accept4(listener->socket.descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0) {
            accept_client(listener, descriptor);
        } else if (errno == EAGAIN) {
            return;
        } else if (!handle_accept_error(listener, errno)) {
            pause_listeners(listener->server);
            return;
        }
    }
    if (result < 0)
        pause_listeners(listener->server);
}

/* ---- Opening the listeners ---- */

/* Takes over the descriptor, also on failure. */
static int listen_on(struct server *server, const struct socket_listener *made,
                     struct hearken_error *error)
{
    struct listener *listener = &server->listeners[server->listener_count];
    *listener = (struct listener){
        .server = server,
        .socket = *made,
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
    start_polling(listener);
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

static void warn_if_unreachable(struct server *server, const char *path)
{
    char folder[PATH_MAX];
    unsigned mode = server->service.settings.socket_mode;
    if (!socket_is_reachable(path, mode, folder))
        log_warning(server->service.log,
                    "socket_mode %04o admits more users than the directory %s: change its mode, or "
                    "set server.socket to another path",
                    mode, folder);
}

/* Of each protocol: in the log, and in messages for an address. */
static const struct {
    const char *title, *setting;
} protocol_names[SOCKET_PROTOCOLS] = {
    [SOCKET_WYOMING] = {"", "tcp"},
    [SOCKET_HTTP] = {"HTTP ", "http"},
    [SOCKET_AGENT] = {"agent ", "agent"},
};

/* Takes over `path`, which may be NULL without memory. */
static int open_unix(struct server *server, char *path, enum socket_protocol protocol,
                     struct hearken_error *error)
{
    struct bound_socket *bound = &server->bound[protocol];
    struct socket_listener made;
    int result = path ? socket_open_unix(path, server->service.settings.socket_mode, &made, error)
                      : hearken_fail(error, -ENOMEM, "out of memory");
    if (result < 0) {
        free(path);
        return result;
    }
    warn_if_unreachable(server, path);
    bound->path = path;
    if (lstat(path, &bound->status) < 0)
        bound->status = (struct stat){0};
    log_info(server->service.log, "listening on %s%s", protocol_names[protocol].title, path);
    made.protocol = protocol;
    return listen_on(server, &made, error);
}

static int open_tcp(struct server *server, const char *address, enum socket_protocol protocol,
                    struct hearken_error *error)
{
    struct socket_listener made[SOCKETS_MAX];
    int count = socket_open_tcp(protocol_names[protocol].setting, address, made, error);
    if (count < 0)
        return count;
    log_info(server->service.log, "listening on %s%s",
             protocol == SOCKET_WYOMING ? "TCP " : protocol_names[protocol].title, address);
    for (int i = 0; i < count; i++)
        made[i].protocol = protocol;
    return listen_on_all(server, made, count, error);
}

static int open_standard_unix(struct server *server, struct hearken_error *error)
{
    const char *setting = server->service.settings.socket;
    char *path = NULL;
    if (*setting == '\0') {
        int result = socket_standard_path(&path, error);
        if (result < 0)
            return result;
    } else {
        path = strdup(setting);
    }
    return open_unix(server, path, SOCKET_WYOMING, error);
}

/* `setting`: an address, or a path that begins with a slash. */
static int open_address_or_path(struct server *server, const char *setting,
                                enum socket_protocol protocol, struct hearken_error *error)
{
    if (*setting == '/')
        return open_unix(server, strdup(setting), protocol, error);
    return open_tcp(server, setting, protocol, error);
}

/* Where the protocol is spoken. */
static json_t *list_addresses(const struct server *server, enum socket_protocol protocol)
{
    char text[SOCKET_TEXT_SIZE];
    json_t *addresses = json_array();
    for (unsigned i = 0; i < server->listener_count; i++) {
        const struct socket_listener *made = &server->listeners[i].socket;
        if (made->protocol == protocol && socket_describe(made, text))
            json_array_append_new(addresses, json_from_text(text));
    }
    return addresses;
}

/* Creates the HTTP server if a listener needs it. Without keys it must be out of reach of other
 * machines, unless the configuration allows them. */
static int start_http(struct server *server, struct hearken_error *error)
{
    const struct settings *settings = &server->service.settings;
    bool needed = false;
    for (unsigned i = 0; i < server->listener_count; i++) {
        const struct socket_listener *made = &server->listeners[i].socket;
        if (made->protocol != SOCKET_HTTP)
            continue;
        needed = true;
        if (*settings->http_tokens_file == '\0' && !settings->http_allow_anonymous &&
            !socket_is_local(made))
            return hearken_fail(error, -EACCES,
                                "http: other machines can reach %s, so expected "
                                "http.tokens_file (or http.allow_anonymous=on)",
                                *settings->http ? settings->http : "the socket from systemd");
    }
    return needed ? http_server_create(&server->service, &server->loop, &http_routes,
                                       on_http_closed, server, &server->http, error)
                  : 0;
}

/* A socket from systemd replaces the setting of the same kind. */
static int open_listeners(struct server *server, struct hearken_error *error)
{
    const struct settings *settings = &server->service.settings;
    struct socket_listener made[SOCKETS_MAX];
    bool given_unix = false, given_tcp = false, given_http = false, given_agent = false;
    int count = systemd_inherited_sockets(made, error);
    uv_timer_init(&server->loop, &server->pause);
    server->pause.data = server;
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        *(made[i].protocol == SOCKET_HTTP    ? &given_http
          : made[i].protocol == SOCKET_AGENT ? &given_agent
          : made[i].kind == SOCKET_UNIX      ? &given_unix
                                             : &given_tcp) = true;
    if (count > 0)
        log_info(server->service.log, "listening on %d socket%s from systemd", count,
                 count > 1 ? "s" : "");
    int result = listen_on_all(server, made, count, error);
    if (result == 0 && !given_unix)
        result = open_standard_unix(server, error);
    if (result == 0 && !given_tcp && *settings->tcp)
        result = open_tcp(server, settings->tcp, SOCKET_WYOMING, error);
    if (result == 0 && !given_http && *settings->http)
        result = open_address_or_path(server, settings->http, SOCKET_HTTP, error);
    if (result == 0 && !given_agent && *settings->agent)
        result = open_address_or_path(server, settings->agent, SOCKET_AGENT, error);
    server->service.wyoming_addresses = list_addresses(server, SOCKET_WYOMING);
    server->service.http_addresses = list_addresses(server, SOCKET_HTTP);
    return result == 0 ? start_http(server, error) : result;
}

/* ---- Signals and the watchdog ---- */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    systemd_notify_watchdog();
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    if (number != SIGHUP)
        drain_start(server);
    else if (server->phase == SERVER_RUNNING)
        reload_start(server);
}

static int start_handles(struct server *server)
{
    static const int numbers[SIGNALS] = {
        [SIGNAL_TERMINATE] = SIGTERM,
        [SIGNAL_INTERRUPT] = SIGINT,
        [SIGNAL_HANGUP] = SIGHUP,
    };
    uv_timer_init(&server->loop, &server->tick);
    server->tick.data = server;
    uv_timer_init(&server->loop, &server->watchdog);
    uint64_t interval = systemd_watchdog_interval() / 2;
    if (interval > 0)
        uv_timer_start(&server->watchdog, on_watchdog, interval, interval);
    int result = 0;
    for (unsigned i = 0; i < SIGNALS && result == 0; i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        result = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
    return result;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* ---- Start and end ---- */

/* Loads the default model; of the others reads only the metadata. */
static int open_models(struct server *server, struct hearken_error *error)
{
    struct service *service = &server->service;
    struct model_list list;
    struct served_model *model = NULL;
    int result = model_list_read(&list, &service->settings, error);
    if (result == 0)
        result = served_model_open(list.entries[0].file, &service->settings, NULL, service->log,
                                   &model, error);
    if (result < 0) {
        model_list_finish(&list);
        return result;
    }
    catalogue_replace(&service->models, &list, true, model);
    reload_on_device_loss(server);
    log_info(service->log, "model %s, backend %s", hearken_model_name(model->handle),
             hearken_model_backend(model->handle));
    return 0;
}

static int start(struct server *server, struct hearken_error *error)
{
    struct service *service = &server->service;
    /* A client may have closed the connection when we write. */
    signal(SIGPIPE, SIG_IGN);
    int result = open_models(server, error);
    if (result < 0)
        return result;
    result = workers_create(service->settings.workers, &server->loop, &service->workers);
    if (result < 0) {
        snprintf(error->message, sizeof(error->message), "cannot start workers: %s",
                 uv_strerror(result));
        return result;
    }
    load_meter_init(&service->load, workers_count(service->workers), uv_hrtime());
    service->hub = microphone_hub_create(service, &server->loop);
    if (!service->hub) {
        snprintf(error->message, sizeof(error->message), "out of memory");
        return -ENOMEM;
    }
    result = start_handles(server);
    if (result < 0) {
        snprintf(error->message, sizeof(error->message), "signals: %s", uv_strerror(result));
        return result;
    }
    result = open_listeners(server, error);
    if (result < 0)
        return result;
    admission_init(&server->admission, service->log);
    admission_reserve_descriptors(&server->admission, service->settings.connections);
    return 0;
}

static void serve(struct server *server)
{
    log_info(server->service.log, "ready: %u workers, %.0f MiB",
             workers_count(server->service.workers), (double)resident_memory() / (1024.0 * 1024.0));
    systemd_ready();
    send_status(server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    log_info(server->service.log, "stopped after %llu requests",
             (unsigned long long)server->service.totals.finished);
}

/* After the loop has stopped, or a failed start. */
static void finish(struct server *server)
{
    server_stop_listening(server);
    http_server_destroy(server->http);
    lingering_end_all(&server->agent_clients);
    admission_finish(&server->admission);
    workers_destroy(server->service.workers);
    uv_walk(&server->loop, close_handle, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
    microphone_hub_destroy(server->service.hub);
    catalogue_finish(&server->service.models);
    request_totals_finish(&server->service.totals);
    json_decref(server->service.wyoming_addresses);
    json_decref(server->service.http_addresses);
    settings_finish(&server->service.settings);
    free(server->read_buffer);
    free(server);
}

int server_run(const struct options *options, struct settings *settings, struct log *log)
{
    struct hearken_error error;
    struct server *server = calloc(1, sizeof(*server));
    int result = server ? uv_loop_init(&server->loop) : -ENOMEM;
    if (result < 0) {
        free(server);
        settings_finish(settings);
        log_error(log, "cannot start: %s", uv_strerror(result));
        return result;
    }
    server->options = options;
    server->service.log = log;
    server->admission.reserve = -1;
    server->agent_clients = (struct lingering_list){
        .loop = &server->loop, .closed = on_agent_client_closed, .context = server};
    server->service.settings = *settings;
    catalogue_init(&server->service.models, &server->loop, &server->service.settings, log);
    server->service.started = uv_hrtime();
    *settings = (struct settings){0};
    server->read_buffer = malloc(CONNECTION_READ_SIZE);
    result = hearken_fail(&error, -ENOMEM, "out of memory");
    if (server->read_buffer)
        result = start(server, &error);
    if (result == 0)
        serve(server);
    else
        log_error(log, "%s", error.message);
    finish(server);
    return result;
}
