// SPDX-License-Identifier: MIT
/*
 * The limit of connections. Clients beyond the limit get the error `busy`, even when no
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

enum admission_verdict {
    ADMISSION_SERVE,
    ADMISSION_REJECT,        /* connection_reject: it lingers until the client has read `busy` */
    ADMISSION_REJECT_AT_ONCE /* admission_reject: too many linger */
};

/* What becomes of a new client while `open` connections, including those being rejected, are open;
 * `connections`: the setting. */
enum admission_verdict admission_decide(const struct admission *admission, unsigned open,
                                        unsigned connections);

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
