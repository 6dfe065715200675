// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LISTEN_COMMAND_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LISTEN_COMMAND_H

#include "daemon/client/program/client_connection.h"

/* Runs hearken listen --type with a daemon; returns an exit code. */
int listen_and_type(const struct address *address);

#endif
