// SPDX-License-Identifier: MIT
/* A client that listens to the daemon's microphone: what it gets of what is heard, and in which
 * form (docs/protocol.md). For the loop's thread. */
#ifndef HEARKEN_DAEMON_MICROPHONE_SUBSCRIBER_H
#define HEARKEN_DAEMON_MICROPHONE_SUBSCRIBER_H

#include "daemon/microphone/microphone_thread.h"
#include "daemon/microphone/shared_recognition.h"
#include "daemon/recognition/transcribe_event.h"

struct subscriber_peer {
    /* Takes over the reference of `data`, which may be NULL (no memory). Must not call any function
     * of microphone_hub.h. */
    void (*send)(void *context, const char *type, json_t *data, const void *payload,
                 size_t payload_length);
    /* It listens no more: as asked for, or for `problem` and `code` if these are not NULL. Called
     * by the loop, never from within a function of microphone_hub.h; may call any of them. */
    void (*over)(void *context, const char *code, const char *problem);
};

/* Belongs to whoever fills in the first three; the others are zeros at the start. */
struct subscriber {
    const struct subscriber_peer *peer;
    void *context;
    const struct transcribe_event *asked;

    struct subscriber **list; /* of microphone_hub.c, that it is in; NULL: it has not joined */
    struct subscriber *previous, *next;
    struct shared_recognition *hearing; /* NULL: it is held */
    double joined;                      /* at this time of the microphone */
    bool arriving;     /* it is to be heard at once, and there has been no microphone yet */
    bool stopping;     /* held as soon as the hearing has ended */
    bool leaving;      /* and gone */
    bool told_hearing; /* what it was told last */
    json_t *shown;     /* the last partial segment, while it is to be seen */
    bool started;      /* transcript-start has gone out */
    char *sent;        /* what transcript chunks said of this segment, or NULL */
    const char *code;  /* why it is over; NULL: as asked for */
    struct hearken_error problem;
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
