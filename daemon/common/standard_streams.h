// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H
#define HEARKEN_DAEMON_COMMON_STANDARD_STREAMS_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * Opens those of the descriptors 0, 1 and 2 that are closed, so that no file or socket opened later
 * becomes a standard stream. Reading and writing them still fails with EBADF. To be called before
 * anything else is opened. Errors: the system's.
 */
static inline int standard_streams_occupy(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        if (fcntl(i, F_GETFD) >= 0)
            continue;
        /* Returns the lowest free descriptor, which is i. */
        if (open("/dev/null", O_PATH) < 0)
            return -errno;
    }
    return 0;
}

#endif
