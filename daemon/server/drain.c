// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"
#include "daemon/server/server_private.h"
#include "daemon/server/systemd.h"

#include <unistd.h>

/*
 * Ticks for cancelled work to end, five seconds; then the process exits without it. Not a time of
 * the clock, which goes on while the whole process is stopped.
 */
#define END_TICKS (5000u / TICK_MILLISECONDS)

static void for_each_connection(struct server *server, void (*act)(struct connection *connection))
{
    struct connection *next;
    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection->next;
        act(connection);
    }
}

/* A balancer goes on sending until it has asked again. */
static void begin_leaving(struct server *server)
{
    double seconds = (double)server->service.settings.lame_duck_seconds;
    log_info(server->service.log, "leaving: not ready any more, serving for another %g s", seconds);
    server->phase = SERVER_LEAVING;
    server->service.leaving = true;
    server->leave_deadline = uv_now(&server->loop) + (uint64_t)(seconds * 1000);
}

static void begin_drain(struct server *server)
{
    double seconds = (double)server->service.settings.drain_seconds;
    log_info(server->service.log, "stopping: %u connections, %llu requests running",
             server->service.connections, (unsigned long long)server->service.totals.running);
    server->phase = SERVER_DRAINING;
    server->service.draining = true;
    server->drain_deadline = uv_now(&server->loop) + (uint64_t)(seconds * 1000);
    server_stop_listening(server);
    microphone_hub_drain(server->service.hub);
    for_each_connection(server, connection_drain);
    if (server->http)
        http_server_drain(server->http);
}

static void reject_connection(struct connection *connection)
{
    connection_reject(connection, "shutting-down", "hearkend is shutting down");
}

/* Enters SERVER_ENDING: `act` ends each connection that is left; work that still runs after
 * END_TICKS is abandoned. */
static void begin_end(struct server *server, void (*act)(struct connection *connection))
{
    if (server->service.connections > 0)
        log_info(server->service.log, "closing %u connections", server->service.connections);
    server->phase = SERVER_ENDING;
    server->end_tick = server->ticks + END_TICKS;
    for_each_connection(server, act);
    if (server->http)
        http_server_cancel(server->http);
}

void drain_start(struct server *server)
{
    enum server_phase phase = server->phase;
    if (phase == SERVER_RUNNING)
        systemd_stopping();
    if (phase == SERVER_RUNNING && server->service.settings.lame_duck_seconds > 0)
        begin_leaving(server);
    else if (phase == SERVER_RUNNING || phase == SERVER_LEAVING)
        begin_drain(server);
    if (phase == SERVER_LEAVING || phase == SERVER_DRAINING)
        begin_end(server, connection_close);
    server_keep_ticking(server);
    drain_tick(server);
}

static bool is_idle(const struct server *server)
{
    return server->service.connections == 0 && server->service.totals.running == 0 &&
           !microphone_hub_is_busy(server->service.hub) && !server->reload.running &&
           !catalogue_is_busy(&server->service.models);
}

void drain_tick(struct server *server)
{
    uint64_t now = uv_now(&server->loop);
    if (server->phase == SERVER_LEAVING && now >= server->leave_deadline)
        begin_drain(server);
    if (server->phase == SERVER_RUNNING || server->phase == SERVER_LEAVING)
        return;
    if (is_idle(server)) {
        uv_stop(&server->loop);
    } else if (server->phase == SERVER_DRAINING && now >= server->drain_deadline) {
        begin_end(server, reject_connection);
    } else if (server->phase == SERVER_ENDING && server->ticks >= server->end_tick) {
        log_error(server->service.log, "the recogniser does not stop: exiting without it");
        _exit(1);
    }
}
