// SPDX-License-Identifier: MIT
#ifndef HEARKEN_CTL_LISTEN_H
#define HEARKEN_CTL_LISTEN_H

#include "connection.h"

/* What hearken listen --type does with a daemon; an exit code. */
int listen_and_type(const struct address *address);

#endif
