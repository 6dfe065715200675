// SPDX-License-Identifier: MIT
/*
 * What the daemon hears itself: one microphone, and those who listen to it. It is opened when the
 * first one listens and given back as [capture] release says; those who ask for the same share one
 * recognition. For the loop's thread.
 *
 *     microphone ── sound ──> hearing (one for each set of options) ── segments ──> subscribers
 *
 * Times are seconds of sound that the microphone has given since the daemon started.
 */
#ifndef HEARKEN_DAEMON_LIVE_H
#define HEARKEN_DAEMON_LIVE_H

#include "subscriber.h"

struct live;

/* NULL without memory. */
struct live *live_create(struct service *service, uv_loop_t *loop);

/* When it is not busy any more and the loop, which has closed all handles, does not run; accepts
 * NULL. */
void live_destroy(struct live *live);

/* Subscribes. From then on, and only if this succeeds, the peer is called: `over` is the last call,
 * unless it is forgotten before. That there is no microphone is told by `over`. Errors: -ENOENT:
 * there is no such model; -ENOMEM; -EALREADY: it has joined, and `over` has not been called. */
int live_join(struct live *live, struct subscriber *subscriber, struct hearken_error *error);

/* It wants no more: `over` follows after the last segment. */
void live_leave(struct live *live, struct subscriber *subscriber);

/* It is gone: nothing is called any more. May be called for one that has not joined. */
void live_forget(struct live *live, struct subscriber *subscriber);

enum live_switch {
    LIVE_START,
    LIVE_STOP,
    LIVE_TOGGLE, /* stop if any is heard, else start */
};

/* Begins or ends to hear for all subscribers: what is being said ends there. Returns how many there
 * are, and whether they are heard now. */
unsigned live_switch(struct live *live, enum live_switch action, bool *hearing);

/* The settings or the model have changed. */
void live_reload(struct live *live);

/* Ends it for all, who get their last segments. */
void live_drain(struct live *live);

/* There is a microphone or a recognition to wait for. */
bool live_is_busy(const struct live *live);

/* For the status: how many subscribers, and the device that is heard, or NULL. */
unsigned live_subscribers(const struct live *live);
const char *live_device(const struct live *live);

#endif
