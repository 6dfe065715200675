// SPDX-License-Identifier: MIT
/*
 * The daemon as a whole: its sockets, connections, signals, and its end. For the loop's thread.
 *
 * Signals: SIGTERM and SIGINT drain (no new connections, requests in hand may finish for
 * drain_seconds); a second one ends what runs; SIGHUP reloads the configuration.
 */
#ifndef HEARKEN_DAEMON_SERVER_SERVER_H
#define HEARKEN_DAEMON_SERVER_SERVER_H

#include "daemon/common/log.h"
#include "daemon/server/daemon_options.h"
#include "daemon/settings/settings.h"

#include <uv.h>

/*
 * Opens the model and the sockets, serves until it is told to stop, and cleans up. Takes over the
 * settings. Returns 0 after a stop that was asked for, or a negative errno after one line in the
 * log that says why it could not start.
 */
int server_run(const struct options *options, struct settings *settings, struct log *log);

#endif
