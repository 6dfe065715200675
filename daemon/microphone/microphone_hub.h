// SPDX-License-Identifier: MIT
/*
 * The daemon's own microphone and its subscribers. The hub opens the microphone for the first
 * subscriber and closes it as [capture] release says. Subscribers with the same options share one
 * recognition. For the loop's thread.
 *
 *     microphone ── samples ──> shared recognitions (one per set of options) ──> subscribers
 *
 * Times are seconds of captured audio since the daemon started.
 */
#ifndef HEARKEN_DAEMON_MICROPHONE_MICROPHONE_HUB_H
#define HEARKEN_DAEMON_MICROPHONE_MICROPHONE_HUB_H

#include "daemon/microphone/subscriber.h"

struct microphone_hub;

/* NULL without memory. */
struct microphone_hub *microphone_hub_create(struct service *service, uv_loop_t *loop);

/* To be called once the hub is no longer busy and the loop has closed all handles and stopped.
 * Accepts NULL. */
void microphone_hub_destroy(struct microphone_hub *hub);

/* Adds a subscriber. Its peer's callbacks are called from now on, only if this succeeds; `ended` is
 * the last one, unless microphone_hub_remove comes first. A microphone that cannot be opened is
 * reported by `ended`. Errors: -ENOENT: unknown model; -ENOMEM; -EALREADY: it has joined, and
 * `ended` has not been called. */
int microphone_hub_join(struct microphone_hub *hub, struct subscriber *subscriber,
                        struct hearken_error *error);

/* Ends the subscription: `ended` follows after the last segment. */
void microphone_hub_leave(struct microphone_hub *hub, struct subscriber *subscriber);

/* Removes a subscriber whose client is gone: no callback is called any more. Does nothing to one
 * that has not joined. */
void microphone_hub_remove(struct microphone_hub *hub, struct subscriber *subscriber);

enum microphone_hub_switch {
    HUB_START,
    HUB_STOP,
    HUB_TOGGLE, /* stop if anyone is listening, else start */
};

/* Starts or stops listening for all subscribers; stopping ends the current segment. Returns the
 * number of subscribers, and in `listening` whether any is listening now. */
unsigned microphone_hub_switch(struct microphone_hub *hub, enum microphone_hub_switch action,
                               bool *listening);

/* Applies changed settings and models. */
void microphone_hub_reload(struct microphone_hub *hub);

/* Ends all subscriptions, each after its last segment. */
void microphone_hub_drain(struct microphone_hub *hub);

/* Whether a microphone is open or a recognition runs. */
bool microphone_hub_is_busy(const struct microphone_hub *hub);

/* For the status: the number of subscribers, and the name of the capturing device or NULL. */
unsigned microphone_hub_subscribers(const struct microphone_hub *hub);
const char *microphone_hub_device(const struct microphone_hub *hub);

#endif
