// SPDX-License-Identifier: MIT
#include "daemon/common/standard_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int standard_streams_occupy(void)
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
