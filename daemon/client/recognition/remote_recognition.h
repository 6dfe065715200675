// SPDX-License-Identifier: MIT
/*
 * Recognition by a daemon, over the Wyoming protocol (docs/protocol.md). Each recording has a
 * connection of its own. Any Wyoming speech-to-text server will do: one that does not know our
 * extension gives text only.
 */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_REMOTE_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_REMOTE_RECOGNITION_H

#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

/* Errors: those of connection_open; -ECANCELED after the interrupt; -EIO for a source that is
 * damaged; -ETIMEDOUT for a server that keeps silent; -EPROTO for what it says or does; what the
 * segment callback returned. */
int remote_recognise(const struct address *address, const struct stream_settings *settings,
                     struct recognition *recognition, struct hearken_error *error);

/* ---- The server's side of the conversation (remote_recognition_events.c) ---- */

struct wyoming_event;

/* 1 when the event ends the conversation well, 0 when more follows, or a negative errno. */
int remote_event(struct recognition *recognition, const struct wyoming_event *event,
                 struct hearken_error *error);

#endif
