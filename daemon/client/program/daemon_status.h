// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_DAEMON_STATUS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_DAEMON_STATUS_H

#include "daemon/client/program/client_connection.h"

#include <jansson.h>

/* Asks a daemon for its status (docs/protocol.md): a new reference. Another server answers with
 * what it can do. Errors: as connection_open; -ETIMEDOUT, and others for a connection that breaks.
 */
int daemon_status_get(const struct address *address, json_t **answer, struct hearken_error *error);

#endif
