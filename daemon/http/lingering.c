// SPDX-License-Identifier: MIT
#include "daemon/http/lingering.h"

#include "daemon/common/socket_drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Time for a client that still sends to read an early answer. */
#define LINGER_MILLISECONDS 3000

struct lingering {
    uv_poll_t poll;
    uv_timer_t timer;
    int descriptor;
    unsigned handles;
    struct lingering_list *list;
    struct lingering *previous, *next;
};

static void on_closed(uv_handle_t *handle)
{
    struct lingering *linger = handle->data;
    if (--linger->handles > 0)
        return;
    struct lingering_list *list = linger->list;
    close(linger->descriptor);
    free(linger);
    list->closed(list->context);
}

static void end(struct lingering *linger)
{
    if (uv_is_closing((uv_handle_t *)&linger->poll))
        return;
    if (linger->next)
        linger->next->previous = linger->previous;
    if (linger->previous)
        linger->previous->next = linger->next;
    else
        linger->list->first = linger->next;
    uv_close((uv_handle_t *)&linger->poll, on_closed);
    uv_close((uv_handle_t *)&linger->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
    end(timer->data);
}

static void drop_bytes(uv_poll_t *poll, int status, int events)
{
    struct lingering *linger = poll->data;
    (void)events;
    if (status < 0 || !socket_drop(linger->descriptor))
        end(linger);
}

bool lingering_start(struct lingering_list *list, int descriptor)
{
    struct lingering *linger = calloc(1, sizeof(*linger));
    int copy = linger ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0 || uv_poll_init(list->loop, &linger->poll, copy) < 0) {
        if (copy >= 0)
            close(copy);
        free(linger);
        return false;
    }
    uv_timer_init(list->loop, &linger->timer);
    linger->poll.data = linger->timer.data = linger;
    linger->descriptor = copy;
    linger->list = list;
    linger->handles = 2;
    linger->next = list->first;
    if (linger->next)
        linger->next->previous = linger;
    list->first = linger;
    shutdown(copy, SHUT_WR);
    uv_poll_start(&linger->poll, UV_READABLE, drop_bytes);
    uv_timer_start(&linger->timer, on_timer, LINGER_MILLISECONDS, 0);
    return true;
}

void lingering_end_all(struct lingering_list *list)
{
    while (list->first)
        end(list->first);
}
