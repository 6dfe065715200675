// SPDX-License-Identifier: MIT
/* Sockets of clients that still send although they were answered: closing one with unread bytes
 * would reset the connection, and the client would lose the answer. For the loop's thread. */
#ifndef HEARKEN_DAEMON_HTTP_LINGERING_H
#define HEARKEN_DAEMON_HTTP_LINGERING_H

#include <stdbool.h>
#include <uv.h>

struct lingering;

/* All that linger of a server. */
struct lingering_list {
    uv_loop_t *loop;
    void (*closed)(void *context); /* after each of them */
    void *context;
    struct lingering *first;
};

/* Drops for a while what comes on a copy of the socket, whose sending side is shut down. False:
 * there is no copy, and `closed` is not called. */
bool lingering_start(struct lingering_list *list, int descriptor);

/* Closes all of them; `closed` is called later. */
void lingering_end_all(struct lingering_list *list);

#endif
