// SPDX-License-Identifier: MIT
/*
 * Limits the number of connections. Clients beyond the limit get the error `busy`, even when no
 * descriptor is left to accept them. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_SERVER_ADMISSION_H
#define HEARKEN_DAEMON_SERVER_ADMISSION_H

#include "daemon/common/log.h"

#include <stdbool.h>
#include <stdint.h>

struct admission {
    struct log *log;
    unsigned other_descriptors;      /* in use or reserved for anything but connections */
    unsigned connection_descriptors; /* connections that the limit of open files leaves room for */
    int reserve;       /* closed to accept and reject a client when none is left; -1: not open */
    uint64_t rejected; /* clients rejected in the current episode; 0: there is no episode */
    uint64_t last;     /* loop time of the last rejection, ms */
};

/* To be called when everything but connections is open. */
void admission_init(struct admission *admission, struct log *log);
void admission_finish(struct admission *admission);

/* Raises the limit of open files as far as `connections` need it; logs a warning if the system does
 * not allow that. At the start and when the setting has changed. */
void admission_reserve_descriptors(struct admission *admission, unsigned connections);

/* The limit of served connections, at most the setting `connections`; and the limit of open
 * connections, including those being rejected. */
unsigned admission_limit(const struct admission *admission, unsigned connections);
unsigned admission_total(const struct admission *admission, unsigned connections);

/* Counts a rejected client. Logs the first one of an episode with the reason. */
void admission_log_rejection(struct admission *admission, uint64_t now, const char *why);

/* To be called periodically: ends an episode that has seen no rejection for a while. Returns
 * whether an episode continues. */
bool admission_tick(struct admission *admission, uint64_t now);

/* Sends `busy` to the client of a connected socket without blocking, and closes the socket. */
void admission_reject(int descriptor);

/* Rejects a client that cannot be accepted for lack of descriptors, by means of the reserve. False:
 * the reserve is not available either, and the client still waits. */
bool admission_reject_next(struct admission *admission, int listening);

#endif
