// SPDX-License-Identifier: MIT
/* Also used by the client, hearken. */
#ifndef HEARKEN_DAEMON_COMMON_SOURCE_CHANNELS_H
#define HEARKEN_DAEMON_COMMON_SOURCE_CHANNELS_H

#include <errno.h>
#include <hearken/hearken.h>

/* Has the source give its channels, if `mode` (enum hearken_channels) tells them apart; `channels`:
 * how many it gives. More than `auto` tells apart are mixed. Errors: -EINVAL for too many. */
static inline int source_channels_separate(struct hearken_source *source, unsigned mode,
                                           uint32_t *channels, struct hearken_error *error)
{
    *channels = 1;
    if (mode == HEARKEN_CHANNELS_MIX)
        return 0;
    uint32_t count = hearken_source_channels(source);
    if (count < 2 || (mode == HEARKEN_CHANNELS_AUTO && count > HEARKEN_CHANNELS_AUTO_MAX))
        return 0;
    if (count > HEARKEN_CHANNELS_EACH_MAX)
        return hearken_fail(error, -EINVAL, "it has %u channels: at most %u can be recognised each",
                            (unsigned)count, HEARKEN_CHANNELS_EACH_MAX);
    *channels = count;
    return hearken_source_separate(source, count, error);
}

#endif
