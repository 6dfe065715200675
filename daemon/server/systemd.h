// SPDX-License-Identifier: MIT
/* Notifications to systemd and sockets passed by it. Without systemd these do nothing. */
#ifndef HEARKEN_DAEMON_SERVER_SYSTEMD_H
#define HEARKEN_DAEMON_SERVER_SYSTEMD_H

#include "daemon/server/sockets.h"

#include <stdint.h>

/* The sockets of .socket units, which the caller closes; HTTP is for those with
 * FileDescriptorName=http. Returns their number, at most
 * SOCKETS_MAX, or -EINVAL if one is not a listening stream socket. */
int systemd_inherited_sockets(struct socket_listener *listeners, struct hearken_error *error);

void systemd_ready(void);
void systemd_reloading(void);
void systemd_stopping(void);
void systemd_notify_watchdog(void);
void systemd_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The watchdog's timeout in milliseconds; 0: there is no watchdog. */
uint64_t systemd_watchdog_interval(void);

#endif
