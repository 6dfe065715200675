// SPDX-License-Identifier: MIT
/* The daemon's description and status. */
#ifndef HEARKEN_DAEMON_SESSION_INFO_H
#define HEARKEN_DAEMON_SESSION_INFO_H

#include "daemon/recognition/service.h"

#include <jansson.h>

/* The program's name in `info` and `select-program`. */
#define PROGRAM_NAME "hearken"

/* Data of the `info` event, and of `hearken-status`. New references; NULL without memory. */
json_t *info_describe(const struct service *service);
json_t *info_status(const struct service *service);

#endif
