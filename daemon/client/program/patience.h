// SPDX-License-Identifier: MIT
/*
 * How long a server may keep silent. The clock runs only while something is expected of the server,
 * and starts anew with each sign of life.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PATIENCE_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PATIENCE_H

#include "daemon/client/program/client_connection.h"

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
