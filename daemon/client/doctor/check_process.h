// SPDX-License-Identifier: MIT
/* A check in a process of its own, which it may not outlive. */
#ifndef HEARKEN_DAEMON_CLIENT_DOCTOR_CHECK_PROCESS_H
#define HEARKEN_DAEMON_CLIENT_DOCTOR_CHECK_PROCESS_H

#include "daemon/client/doctor/checks.h"

struct check {
    const char *name;
    double seconds; /* it may take */
    void (*run)(const struct address *address, struct findings *findings);
};

/* Adds what the check found to `list`, and that it took too long or died. */
void check_process_run(const struct check *check, const struct address *address, json_t *list);

/* What comes out of `descriptor`, non-blocking, up to its end, `size` - 1 bytes or the `seconds`;
 * ends with a 0. Errors: -ETIMEDOUT, the system's. */
int check_process_read(int descriptor, double seconds, char *text, size_t size);

#endif
