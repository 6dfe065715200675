// SPDX-License-Identifier: MIT
/* The daemon's address, connecting to it, timeouts, and reading what it tells. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_CONNECTION_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_CONNECTION_H

#include "daemon/client/program/client_options.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdint.h>

/* Without socket and tcp, the user's socket if it exists, else the system's. At most one is set. */
struct address {
    const char *socket;            /* a path */
    const char *tcp;               /* "HOST:PORT", "[HOST]:PORT" for a host with colons */
    const char *url;               /* of a server that speaks HTTP */
    struct option_seconds timeout; /* for connecting and for answers */
};

/* Whether any member is set. */
bool address_is_set(const struct address *address);

/* Errors: -EINVAL for an invalid address. */
int address_check(const struct address *address, struct hearken_error *error);

/* The address as the user wrote it, for messages; points into the address. */
const char *address_name(const struct address *address);

/* How the message of -ENOTCONN ends. */
#define CONNECTION_HINT                                                                            \
    " (start one with systemctl enable --now hearkend.socket or hearkend, or name its address "    \
    "with --socket or --tcp; transcribe and listen need none with --local; hearken doctor looks "  \
    "for the cause)"

/*
 * Connects and returns a non-blocking descriptor. Errors: as address_check; -ECANCELED once
 * `interrupt` (a descriptor; -1: none) is readable; -ENOTCONN if there is no connection within the
 * timeout (default 10 s).
 */
int connection_open(const struct address *address, int interrupt, int *descriptor,
                    struct hearken_error *error);

/* Where the system's daemon listens. */
#define SYSTEM_SOCKET "/run/hearken/hearken.sock"

/* Where the user's daemon listens; false without $XDG_RUNTIME_DIR, or if it does not fit. */
bool connection_user_socket(char *path, size_t size);

/* Connects to the Unix socket, and that is all. Errors: the system's, -ETIMEDOUT. */
int connection_probe(const char *path, double seconds);

/* ---- Timeouts ---- */

/* Limits how long a server may take to respond. The timer runs only while a response is expected
 * and restarts with each one. */
struct timeout {
    double seconds;  /* 0: no limit */
    double deadline; /* of the monotonic clock; 0: the timer is stopped */
};

/* A stopped timer with the value of --timeout, or else `seconds`. */
struct timeout timeout_create(const struct address *address, double seconds);

/* Stops the timer: the server has responded, or no response is expected. */
void timeout_stop(struct timeout *timeout);

/* Starts the timer if it is stopped and returns the remaining time for poll(): -1: no limit, 0: it
 * has expired. */
int timeout_milliseconds(struct timeout *timeout);

/* Waits for `events` at the descriptor. Errors: -ETIMEDOUT, the system's. */
int timeout_wait(struct timeout *timeout, int descriptor, short events);

/* "SERVER has not answered for N s"; returns -ETIMEDOUT. */
int timeout_fail(const struct timeout *timeout, const struct address *address,
                 struct hearken_error *error);

#endif
