// SPDX-License-Identifier: MIT
/* Also used by the client, hearken. */
#ifndef HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H
#define HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H

/*
 * Opens those of the descriptors 0, 1 and 2 that are closed, so that no file or socket opened later
 * becomes a standard stream. Reading and writing them still fails with EBADF. To be called before
 * anything else is opened. Errors: the system's.
 */
int standard_streams_occupy(void);

#endif
