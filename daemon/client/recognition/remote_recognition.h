// SPDX-License-Identifier: MIT
/*
 * Recognition by a daemon, over the Wyoming protocol (docs/protocol.md), with one connection per
 * recording. Works with any Wyoming speech-to-text server; one without hearken's extensions sends
 * only text.
 */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_REMOTE_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_REMOTE_RECOGNITION_H

#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

/* Errors: those of connection_open; -ECANCELED after the interrupt; -EIO for a damaged source;
 * -ETIMEDOUT if the server does not respond; -EPROTO for an error event, an invalid message or a
 * closed connection; those of the segment callback. */
int remote_recognise(const struct address *address, const struct stream_settings *settings,
                     struct recognition *recognition, struct hearken_error *error);

struct wyoming_event;

/* Handles an event from the server. 1: it ends the request successfully; 0: more events follow; or
 * a negative errno. */
int remote_event(struct recognition *recognition, const struct wyoming_event *event,
                 struct hearken_error *error);

#endif
