// SPDX-License-Identifier: MIT
#ifndef HEARKEN_CTL_SIGNALS_H
#define HEARKEN_CTL_SIGNALS_H

/* Blocks the signals that end a program, but those which the parent had us ignore, in this thread
 * and those that it makes from now on; gives a descriptor they are read from, or a negative
 * errno. */
int signals_open(void);

/* The number of the next signal, waiting for it; SIGTERM if there is none to read. */
int signals_take(int descriptor);

/* Lets those signals do again, in this thread, what they do by themselves. */
void signals_release(void);

#endif
