// SPDX-License-Identifier: MIT
/* Work in a process of its own, which another one takes the place of when it dies. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_WATCHED_PROCESS_H
#define HEARKEN_DAEMON_CLIENT_BATCH_WATCHED_PROCESS_H

#include <stdatomic.h>

/*
 * Runs `work` in a child of this process, which must have one thread, and returns what it returned.
 * SIGTERM, SIGINT and SIGHUP are blocked in it, and passed on. `begun` is shared between the two.
 * When a signal ends the child after it has counted up, another one is started; otherwise, or after
 * one of the three signals, the result is `ended`. The child dies with this process.
 */
int watched_process_run(int (*work)(void *context, atomic_uint *begun), void *context, int ended);

#endif
