// SPDX-License-Identifier: MIT
/* Also used by the client, hearken. */
#ifndef HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H
#define HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H

/*
 * Occupies those of the descriptors 0, 1 and 2 that the caller of the program left closed, so that
 * no file or socket opened later is taken for a standard stream. Reading and writing them fails
 * with EBADF, as if they were closed. Errors: the system's. Before anything else is opened.
 */
int standard_streams_occupy(void);

#endif
