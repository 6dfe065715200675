// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_CAPTURE_MESSAGE_H
#define HEARKEN_DAEMON_CLIENT_LIVE_CAPTURE_MESSAGE_H

#include <hearken/hearken.h>

/* What happened to a microphone, in one line without a newline: "listening to mic (44100 Hz, 2
 * channels)". */
void capture_message(const struct hearken_capture_event *event, char *line, size_t size);

#endif
