// SPDX-License-Identifier: MIT
/* Tells load balancers how much room there is, in the words of HAProxy's agent-check
 * (docs/scale.md). For the loop's thread. */
#ifndef HEARKEN_DAEMON_SERVER_AGENT_H
#define HEARKEN_DAEMON_SERVER_AGENT_H

#include "daemon/recognition/service.h"

/* Clients whose end is awaited, so that what they send does not reset the connection before they
 * have read the answer; any more are closed at once. */
#define AGENT_CLIENTS_MAX 8

#define AGENT_LINE_SIZE 80

/* Writes the line, with its end. `room`: load_meter_room. */
void agent_write_line(const struct service *service, double room, char line[AGENT_LINE_SIZE]);

/* Sends the line to a new client without blocking. */
void agent_answer(struct service *service, int descriptor);

#endif
