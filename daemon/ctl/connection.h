// SPDX-License-Identifier: MIT
/* Where the daemon is, and getting there. */
#ifndef HEARKEN_CTL_CONNECTION_H
#define HEARKEN_CTL_CONNECTION_H

#include "hearken/hearken.h"

/* Both NULL: the user's own socket if there is one, else the system's. At most one is set. */
struct address {
    const char *socket; /* a path */
    const char *tcp;    /* "HOST:PORT", "[HOST]:PORT" for a host with colons */
};

/* -EINVAL for an address that makes no sense. */
int address_check(const struct address *address, struct hearken_error *error);

/*
 * Connects; gives a descriptor that does not block. Errors: as address_check, -ECANCELED once
 * `interrupt` (a descriptor; -1: none) is readable, -ENOTCONN when nobody answers: the message says
 * where, why, and what to do.
 */
int connection_open(const struct address *address, int interrupt, int *descriptor,
                    struct hearken_error *error);

#endif
