// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_SOCKET_DROP_H
#define HEARKEN_DAEMON_COMMON_SOCKET_DROP_H

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Reads and drops what has come, up to 1 MiB. Closing a socket with unread bytes would reset the
 * connection, and the client would lose the answer. False: there will be no more. */
static inline bool socket_drop(int descriptor)
{
    enum { BLOCKS = 64 };
    char bytes[16384];
    ssize_t count = 1;
    for (int i = 0; i < BLOCKS && count > 0; i++)
        count = recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

#endif
