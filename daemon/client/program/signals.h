// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_SIGNALS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

/* Blocks the signals that end a program, but those which the parent had us ignore, in this thread
 * and those that it makes from now on; gives a descriptor they are read from, or a negative
 * errno. */
int signals_open(void);

/* The number of the next signal, waiting for it; SIGTERM if there is none to read. */
int signals_take(int descriptor);

/* Lets those signals do again, in this thread, what they do by themselves. */
void signals_release(void);

/* A while in which those signals end the process at once. */
struct signals_default {
    pthread_t thread; /* the only one that has them unblocked */
    bool running;
};

/* For what takes long, cannot be interrupted and leaves nothing to be cleaned up, as a model that
 * opens. Threads that are made meanwhile have the signals blocked, as after signals_open. Without
 * a thread for it, the signals wait. */
void signals_default_begin(struct signals_default *span);

/* From here on they wait to be read. */
void signals_default_end(struct signals_default *span);

#endif
