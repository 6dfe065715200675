// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_SIGNALS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

/* SIGINT, SIGTERM and SIGHUP, unless the parent process had them ignored. Blocks them in this
 * thread and those it creates from now on, and returns a descriptor to read them from, or a
 * negative errno.
 */
int signals_open(void);

/* The same for SIGWINCH, which follows a change of the terminal's size. */
int signals_open_resize(void);

/* Whether a signal is there to be read. */
bool signals_are_due(int descriptor);

/* Reads the signal that is there; false if there is none. */
bool signals_consume(int descriptor);

/* Waits for the next signal and returns its number; SIGTERM if it cannot be read. */
int signals_read(int descriptor);

/* Unblocks these signals in this thread, so that they have their default action. */
void signals_release(void);

/* A period in which these signals end the process at once. */
struct signals_default {
    pthread_t thread; /* the only one with the signals unblocked */
    bool running;
};

/* For a long operation that cannot be interrupted and needs no cleanup, such as opening a model.
 * Threads created meanwhile have the signals blocked, as after signals_open. If no thread can be
 * created, the signals stay pending. */
void signals_default_begin(struct signals_default *span);

/* From now on the signals are read from the descriptor again. */
void signals_default_end(struct signals_default *span);

#endif
