// SPDX-License-Identifier: MIT
/* Descriptors that become readable when something is to be done. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_WAIT_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_WAIT_H

#include <stdbool.h>

/* A descriptor for changes of the terminal's size, or a negative errno. Blocks SIGWINCH in this
 * thread and those that it makes from now on. */
int live_wait_open_resize(void);

/* Whether it is readable. */
bool live_wait_is_due(int descriptor);

/* Likewise, and takes what is to be read from a signal descriptor. */
bool live_wait_take(int descriptor);

#endif
