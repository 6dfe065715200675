// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_wait.h"

#include "daemon/client/program/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

int live_wait_open_resize(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

bool live_wait_is_due(int descriptor)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

bool live_wait_take(int descriptor)
{
    bool due = live_wait_is_due(descriptor);
    if (due)
        signals_take(descriptor);
    return due;
}
