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

#endif
