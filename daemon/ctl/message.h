// SPDX-License-Identifier: MIT
#ifndef HEARKEN_CTL_MESSAGE_H
#define HEARKEN_CTL_MESSAGE_H

/* One line on standard error: "hearken: SUBJECT: MESSAGE", without the subject if it is NULL or
 * the message starts with it. Control characters, as in a file's name, become question marks. */
void message_error(const char *subject, const char *message);

#endif
