// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_MESSAGE_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_MESSAGE_H

/* One line on standard error: "hearken: SUBJECT: MESSAGE", without the subject if it is NULL or
 * the message starts with it. */
void message_error(const char *subject, const char *message);

#endif
