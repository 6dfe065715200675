// SPDX-License-Identifier: MIT
#include "daemon/server/agent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Without an opinion: the balancer's own weight. */
#define PERCENT_UNKNOWN 100.0

/* HAProxy's largest weight, 256, for a server whose own is 1. */
#define PERCENT_MAX 25600.0

/* Requests that a balancer may send at a time. One more would make a daemon that is full say that
 * it is not ready. Wyoming's share the places (http.requests), so they are left out. */
static unsigned places(const struct service *service)
{
    const struct settings *settings = &service->settings;
    unsigned most = settings->http_requests < settings->connections ? settings->http_requests
                                                                    : settings->connections;
    unsigned others = service->connections - service->http_connections + 1;
    return most > others ? most - others : 1;
}

void agent_write_line(const struct service *service, double room, char line[AGENT_LINE_SIZE])
{
    double percent = room < 0 ? PERCENT_UNKNOWN : fmin(fmax(floor(room), 1), PERCENT_MAX);
    if (service->leaving || service->draining)
        snprintf(line, AGENT_LINE_SIZE, "drain\n");
    else
        snprintf(line, AGENT_LINE_SIZE, "up ready %.0f%% maxconn:%u\n", percent, places(service));
}

void agent_answer(struct service *service, int descriptor)
{
    char line[AGENT_LINE_SIZE];
    struct work_totals totals = workers_totals(service->workers);
    load_meter_look(&service->load, &totals, uv_hrtime());
    agent_write_line(service, load_meter_room(&service->load), line);
    ssize_t sent = send(descriptor, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the socket is closed in any case */
    shutdown(descriptor, SHUT_WR);
}
