// SPDX-License-Identifier: MIT
#ifndef HEARKEN_INTERNAL_WRITE_ALL_H
#define HEARKEN_INTERNAL_WRITE_ALL_H

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

/* Writes all of it, and waits where the descriptor does not block. 0, or a negative errno after a
 * part. */
static inline int write_all(int descriptor, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(descriptor, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            struct pollfd poller = {.fd = descriptor, .events = POLLOUT};
            poll(&poller, 1, -1);
            continue;
        }
        if (written < 0)
            return -errno;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

#endif
