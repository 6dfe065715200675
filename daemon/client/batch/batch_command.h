// SPDX-License-Identifier: MIT
/* The parts of `hearken batch`, in the order of the help. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_BATCH_COMMAND_H
#define HEARKEN_DAEMON_CLIENT_BATCH_BATCH_COMMAND_H

#include "daemon/client/program/client_options.h"

extern const struct command batch_plan_command;
extern const struct command batch_status_command;
extern const struct command batch_collect_command;

#endif
