// SPDX-License-Identifier: MIT
/* The checks of `hearken doctor`. Each may hang or die: it runs in a process of its own. */
#ifndef HEARKEN_DAEMON_CLIENT_DOCTOR_CHECKS_H
#define HEARKEN_DAEMON_CLIENT_DOCTOR_CHECKS_H

#include "daemon/client/doctor/findings.h"
#include "daemon/client/program/client_connection.h"

void check_models(const struct address *address, struct findings *findings);
void check_plugins(const struct address *address, struct findings *findings);
void check_decoder(const struct address *address, struct findings *findings);
void check_sound(const struct address *address, struct findings *findings);
void check_units(const struct address *address, struct findings *findings);
void check_daemon(const struct address *address, struct findings *findings);

#endif
