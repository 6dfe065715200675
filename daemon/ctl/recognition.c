// SPDX-License-Identifier: MIT
#include "recognition.h"

#include <poll.h>

long recognition_read(struct recognition *recognition, float *samples, size_t count,
                      struct hearken_error *error)
{
    long got = hearken_source_read(recognition->source, samples, count, error);
    if (got > 0) {
        recognition->transcript->seconds += (double)got / HEARKEN_RATE;
        recognition->progress(recognition->context, recognition->transcript->seconds);
    }
    return got;
}

bool recognition_interrupted(const struct recognition *recognition)
{
    struct pollfd poller = {.fd = recognition->interrupt, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}
