// SPDX-License-Identifier: MIT
/* Other programs that the client starts. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_CHILD_PROGRAM_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_CHILD_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether $PATH has a program of this name. */
bool child_program_is_on_path(const char *name);

/* Starts arguments[0] without input, with its output on our standard error, and with no signals
 * blocked. `arguments` ends with NULL. Errors: the system's. */
int child_program_start(char *const arguments[], pid_t *child);

/* The same with its output in a pipe, whose end to read is `descriptor`, and in a process group of
 * its own, which child_end() ends (include/internal/child_process.h). */
int child_program_start_piped(char *const arguments[], pid_t *child, int *descriptor);

#endif
