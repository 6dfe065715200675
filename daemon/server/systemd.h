// SPDX-License-Identifier: MIT
/* What systemd is told and what it hands over. Without it, nothing happens. */
#ifndef HEARKEN_DAEMON_SERVER_SYSTEMD_H
#define HEARKEN_DAEMON_SERVER_SYSTEMD_H

#include "daemon/server/sockets.h"

#include <stdint.h>

/* Sockets handed over by a .socket unit: how many (0: none, at most SOCKETS_MAX), or -EINVAL for
 * one that is not a stream socket that listens. They stay open for the caller. */
int systemd_take_sockets(struct socket_listener *listeners, struct hearken_error *error);

void systemd_ready(void);
void systemd_reloading(void);
void systemd_stopping(void);
void systemd_alive(void); /* for the watchdog */
void systemd_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often systemd wants to hear that we are alive, in milliseconds; 0: not at all. */
uint64_t systemd_watchdog_interval(void);

#endif
