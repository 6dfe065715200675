// SPDX-License-Identifier: MIT
/* A client that listens to the daemon's microphone: which segments and events it is sent, and in
 * which form (docs/protocol.md). For the loop's thread. */
#ifndef HEARKEN_DAEMON_MICROPHONE_SUBSCRIBER_H
#define HEARKEN_DAEMON_MICROPHONE_SUBSCRIBER_H

#include "daemon/microphone/microphone_thread.h"
#include "daemon/microphone/shared_recognition.h"
#include "daemon/recognition/request_options.h"

struct subscriber_peer {
    /* Takes over the reference of `data`, which may be NULL (no memory). Must not call any function
     * of microphone_hub.h. */
    void (*send)(void *context, const char *type, json_t *data, const void *payload,
                 size_t payload_length);
    /* The subscription has ended: as requested if `code` and `problem` are NULL. Called by the
     * loop, never from within a function of microphone_hub.h; may call any of them. */
    void (*ended)(void *context, const char *code, const char *problem);
};

/* The owner sets the first three members and zeroes the others. */
struct subscriber {
    const struct subscriber_peer *peer;
    void *context;
    const struct transcribe_event *transcribe; /* what the client requested */

    struct subscriber **list; /* the hub's list that holds it; NULL: it has not joined */
    struct subscriber *previous, *next;
    struct shared_recognition *recognition; /* NULL: paused */
    double joined;                          /* time of joining, or of the last start */
    double speech_started;                  /* of what was said last; 0: nothing so far */
    bool awaits_microphone;  /* joined to listen at once, and no microphone has started yet */
    bool stopping;           /* paused once the recognition has ended */
    bool leaving;            /* ends once the recognition has ended */
    bool notified_listening; /* the state sent last */
    json_t *last_partial;    /* of the open segment, or NULL */
    bool started;            /* transcript-start has been sent */
    char *chunks_sent;       /* text of this segment's transcript chunks so far, or NULL */
    const char *code;        /* why it has ended; NULL: as requested */
    struct hearken_error problem;
};

void subscriber_send_segment(struct subscriber *subscriber, const struct segment_message *segment);

/* Sends the last partial segment as final: no later version will follow. */
void subscriber_finalise(struct subscriber *subscriber);

void subscriber_send_capture_event(struct subscriber *subscriber,
                                   const struct microphone_event *event);

/* Sends whether the subscriber is being listened to, if that has changed. */
void subscriber_notify_listening(struct subscriber *subscriber, double time);

/* Frees what it holds. */
void subscriber_finish(struct subscriber *subscriber);

#endif
