// SPDX-License-Identifier: MIT
/*
 * How often somebody began with a recording and was not heard of again: it may be what killed them.
 * attempts/ID has a line for each start, "start HOST PID", and for each end, "end CLASS".
 */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_ATTEMPTS_H
#define HEARKEN_DAEMON_CLIENT_BATCH_ATTEMPTS_H

#include "daemon/client/batch/result_store.h"

/* After so many starts without an end, and so many runs that a passing fault ended, a recording is
 * given up. */
#define ATTEMPTS_MAX 3u

struct attempts {
    unsigned unended; /* starts in a row that nothing followed, of processes that are gone */
    unsigned faults;  /* runs that a passing fault ended */
};

/* Removes also what processes of this machine that died left of the result. */
struct attempts attempts_read(const struct result_store *store, const char *id);

/* Before the work; the line is on the disk when this returns. Errors: the system's. */
int attempts_begin(const struct result_store *store, const char *id, struct hearken_error *error);

/* `fault` NULL: this one was stopped, or has come further than those before it. */
void attempts_end(const struct result_store *store, const char *id, const char *fault);

/* There is a result. */
void attempts_forget(const struct result_store *store, const char *id);

#endif
