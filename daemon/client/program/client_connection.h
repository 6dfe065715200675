// SPDX-License-Identifier: MIT
/* Where the daemon is, and getting there. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_CONNECTION_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_CONNECTION_H

#include "daemon/client/program/client_options.h"

#include <hearken/hearken.h>

/* Neither socket nor tcp: the user's own socket if there is one, else the system's. Never both. */
struct address {
    const char *socket;            /* a path */
    const char *tcp;               /* "HOST:PORT", "[HOST]:PORT" for a host with colons */
    struct option_seconds timeout; /* how long it may keep silent (patience.h), connecting too */
};

/* Whether anything is said of it. */
bool address_is_set(const struct address *address);

/* -EINVAL for an address that makes no sense. */
int address_check(const struct address *address, struct hearken_error *error);

/* What the user calls it, for messages; points into the address. */
const char *address_name(const struct address *address);

/*
 * Connects; gives a descriptor that does not block. Errors: as address_check, -ECANCELED once
 * `interrupt` (a descriptor; -1: none) is readable, -ENOTCONN when nobody answers within the
 * timeout, or else 10 s: the message says where, why, and what to do.
 */
int connection_open(const struct address *address, int interrupt, int *descriptor,
                    struct hearken_error *error);

/* ---- Patience ---- */

/*
 * How long a server may keep silent. The clock runs only while something is expected of the server,
 * and starts anew with each sign of life.
 */

struct patience {
    double seconds;  /* 0: for ever */
    double deadline; /* of the monotonic clock; 0: the clock stands */
};

/* With the clock standing: what --timeout says, or else `seconds`. */
struct patience patience_of(const struct address *address, double seconds);

/* Stops the clock: there is a sign of life, or nothing is expected of the server. */
void patience_rest(struct patience *patience);

/* What is left, for poll(), which starts the clock if it stands: -1 for ever, 0 it is over. */
int patience_milliseconds(struct patience *patience);

/* Waits for `events` at the descriptor: 0, or -ETIMEDOUT or another negative errno. */
int patience_wait(struct patience *patience, int descriptor, short events);

/* "SERVER has not answered for N s"; returns -ETIMEDOUT. */
int patience_fail(const struct patience *patience, const struct address *address,
                  struct hearken_error *error);

#endif
