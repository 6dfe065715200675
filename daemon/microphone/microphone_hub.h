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
#ifndef HEARKEN_DAEMON_MICROPHONE_MICROPHONE_HUB_H
#define HEARKEN_DAEMON_MICROPHONE_MICROPHONE_HUB_H

#include "daemon/microphone/subscriber.h"

struct microphone_hub;

/* NULL without memory. */
struct microphone_hub *microphone_hub_create(struct service *service, uv_loop_t *loop);

/* When it is not busy any more and the loop, which has closed all handles, does not run; accepts
 * NULL. */
void microphone_hub_destroy(struct microphone_hub *live);

/* Subscribes. From then on, and only if this succeeds, the peer is called: `over` is the last call,
 * unless it is forgotten before. That there is no microphone is told by `over`. Errors: -ENOENT:
 * there is no such model; -ENOMEM; -EALREADY: it has joined, and `over` has not been called. */
int microphone_hub_join(struct microphone_hub *live, struct subscriber *subscriber,
                        struct hearken_error *error);

/* It wants no more: `over` follows after the last segment. */
void microphone_hub_leave(struct microphone_hub *live, struct subscriber *subscriber);

/* It is gone: nothing is called any more. May be called for one that has not joined. */
void microphone_hub_forget(struct microphone_hub *live, struct subscriber *subscriber);

enum microphone_hub_switch {
    LIVE_START,
    LIVE_STOP,
    LIVE_TOGGLE, /* stop if any is heard, else start */
};

/* Begins or ends to hear for all subscribers: what is being said ends there. Returns how many there
 * are, and whether they are heard now. */
unsigned microphone_hub_switch(struct microphone_hub *live, enum microphone_hub_switch action,
                               bool *hearing);

/* The settings or the model have changed. */
void microphone_hub_reload(struct microphone_hub *live);

/* Ends it for all, who get their last segments. */
void microphone_hub_drain(struct microphone_hub *live);

/* There is a microphone or a recognition to wait for. */
bool microphone_hub_is_busy(const struct microphone_hub *live);

/* For the status: how many subscribers, and the device that is heard, or NULL. */
unsigned microphone_hub_subscribers(const struct microphone_hub *live);
const char *microphone_hub_device(const struct microphone_hub *live);

#endif
