// SPDX-License-Identifier: MIT
/* A client that listens to the daemon's microphone: what it gets of what is heard, and in which
 * form (docs/protocol.md). For the loop's thread. */
#ifndef HEARKEN_DAEMON_SUBSCRIBER_H
#define HEARKEN_DAEMON_SUBSCRIBER_H

#include "hearing.h"
#include "live_microphone.h"
#include "transcribe.h"

struct subscriber_peer {
    /* Takes over the reference of `data`, which may be NULL (no memory). */
    void (*send)(void *context, const char *type, json_t *data, const void *payload,
                 size_t payload_length);
    /* It listens no more: as asked for, or for `problem` (and `code`) if that is not NULL. Then
     * `resume`, at the end of all: only that may go on with what the client sent meanwhile. */
    void (*over)(void *context, const char *code, const char *problem);
    void (*resume)(void *context);
};

/* Belongs to whoever fills in the first three. */
struct subscriber {
    const struct subscriber_peer *peer;
    void *context;
    const struct transcribe *asked;

    struct hearing *hearing; /* NULL: it is held */
    double joined;           /* at this time of the microphone */
    bool subscribed;         /* it is in the list */
    bool stopping;           /* held as soon as the hearing has ended */
    bool leaving;            /* and gone */
    bool waits_for_resume;
    bool told_hearing; /* what it was told last */
    json_t *shown;     /* the last partial segment, while it is to be seen */
    bool started;      /* transcript-start has gone out */
    char *sent;        /* what transcript chunks said of this segment, or NULL */
    struct subscriber *previous, *next;
};

void subscriber_hear(struct subscriber *subscriber, const struct heard_segment *segment);

/* What is shown becomes final: there is no better text to come. */
void subscriber_settle(struct subscriber *subscriber);

void subscriber_tell_event(struct subscriber *subscriber, const struct microphone_event *event);

/* Tells whether it is heard, if that is news. */
void subscriber_tell_hearing(struct subscriber *subscriber, double time);

/* Frees what it holds. */
void subscriber_finish(struct subscriber *subscriber);

#endif
