// SPDX-License-Identifier: MIT
#include "daemon/client/program/patience.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct patience patience_of(const struct address *address, double seconds)
{
    return (struct patience){
        .seconds = address->timeout.set ? address->timeout.value : seconds,
    };
}

void patience_rest(struct patience *patience)
{
    patience->deadline = 0;
}

int patience_milliseconds(struct patience *patience)
{
    if (patience->seconds == 0)
        return -1;
    if (patience->deadline == 0)
        patience->deadline = now() + patience->seconds;
    double left = patience->deadline - now();
    if (left <= 0)
        return 0;
    return left < OPTION_SECONDS_MAX ? (int)(left * 1000) + 1 : OPTION_SECONDS_MAX * 1000;
}

int patience_wait(struct patience *patience, int descriptor, short events)
{
    for (;;) {
        struct pollfd poller = {.fd = descriptor, .events = events};
        int ready = poll(&poller, 1, patience_milliseconds(patience));
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

int patience_fail(const struct patience *patience, const struct address *address,
                  struct hearken_error *error)
{
    return hearken_fail(error, -ETIMEDOUT, "%s has not answered for %.6g s (--timeout)",
                        address_name(address), patience->seconds);
}
