// SPDX-License-Identifier: MIT
/*
 * The daemon's main loop: sockets, connections, signals and shutdown. For the loop's thread.
 *
 * Signals: SIGTERM and SIGINT make it leave (balancers are told, for lame_duck_seconds) and drain
 * (no new connections, running requests may finish within drain_seconds); a second one cancels what
 * runs; SIGHUP reloads the configuration.
 */
#ifndef HEARKEN_DAEMON_SERVER_SERVER_H
#define HEARKEN_DAEMON_SERVER_SERVER_H

#include "daemon/common/log.h"
#include "daemon/server/daemon_options.h"
#include "daemon/settings/settings.h"

#include <uv.h>

/*
 * Opens the model and the sockets, serves until a signal stops it, and cleans up. Takes over the
 * settings. Returns 0 after a regular stop, or a negative errno if it could not start; the reason
 * is logged.
 */
int server_run(const struct options *options, struct settings *settings, struct log *log);

#endif
