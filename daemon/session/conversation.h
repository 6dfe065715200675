// SPDX-License-Identifier: MIT
/*
 * The protocol between a client and the daemon as a state machine over events, without sockets. The
 * table of states and events is in conversation.c and in docs/protocol.md. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_SESSION_CONVERSATION_H
#define HEARKEN_DAEMON_SESSION_CONVERSATION_H

#include "daemon/common/wyoming.h"
#include "daemon/microphone/subscriber.h"
#include "daemon/recognition/request_options.h"
#include "daemon/recognition/service.h"
#include "daemon/recognition/whole_frames.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conversation_state {
    CONVERSATION_IDLE,       /* no request */
    CONVERSATION_REQUESTED,  /* transcribe received, no audio yet */
    CONVERSATION_RECEIVING,  /* receiving audio */
    CONVERSATION_FINISHING,  /* all audio received, transcript not yet sent */
    CONVERSATION_REFUSED,    /* the request was answered with an error: its audio is dropped */
    CONVERSATION_SUBSCRIBED, /* listening to the daemon's microphone */
    CONVERSATION_LEAVING,    /* hearken-listen-stop received, last segment not yet sent */
};

#define CONVERSATION_STATES (CONVERSATION_LEAVING + 1)

enum conversation_verdict {
    CONVERSATION_CONTINUE,
    CONVERSATION_WAIT,  /* handle the same event again at `resume` */
    CONVERSATION_CLOSE, /* an error was sent: close when it has been written */
};

/* The connection to the client. */
struct conversation_peer {
    /* Takes over the reference of `data`, which may be NULL (no memory). May be called from within
     * conversation_handle. */
    void (*send)(void *context, const char *type, json_t *data, const void *payload,
                 size_t payload_length);
    /* The request has ended, or its queue has room again. Never called from within
     * conversation_handle. */
    void (*resume)(void *context);
};

struct conversation {
    struct service *service;
    const struct conversation_peer *peer;
    void *context;
    unsigned id; /* for the log */
    enum conversation_state state;
    struct transcribe_event transcribe;
    struct request *request;     /* in RECEIVING and FINISHING; else NULL */
    size_t frame_size;           /* bytes */
    uint64_t frames;             /* received */
    struct whole_frames partial; /* a chunk may end within a frame */
    bool plain;                  /* the request uses plain Wyoming, without hearken's extensions */
    bool ended;                  /* the last answer has been sent: close */
    const char *cut_code; /* error to send after the transcript, for conversation_cut; or NULL */
    const char *cut_text;
    json_t *segments;             /* final ones, for the transcript event */
    char *text;                   /* text of the final segments, joined; NULL: none yet */
    bool started;                 /* transcript-start has been sent */
    bool local;                   /* the client is on this machine */
    struct subscriber subscriber; /* SUBSCRIBED and LEAVING */
};

/* Service and peer must outlive the conversation. `local`: the client is on this machine. */
void conversation_init(struct conversation *conversation, struct service *service,
                       const struct conversation_peer *peer, void *context, unsigned id,
                       bool local);

/* Abandons a running request and ends a subscription. */
void conversation_finish(struct conversation *conversation);

enum conversation_verdict conversation_handle(struct conversation *conversation,
                                              const struct wyoming_event *event);

/* The request's queue is at its limit: read no more until `resume`. */
bool conversation_is_full(struct conversation *conversation);

/*
 * Ends a request whose audio-stop will not come: recognises the audio received, sends the
 * transcript, then the error (code and text: constants), and ends the conversation. Without
 * `recognise_rest`, sends only what has been recognised so far, at once. Returns false, and does
 * nothing, if no audio was received.
 */
bool conversation_cut(struct conversation *conversation, bool recognise_rest, const char *code,
                      const char *text);

/* conversation_cut was called: nothing more is expected from the client. */
bool conversation_is_cut(const struct conversation *conversation);

/* The last answer has been sent: close. */
bool conversation_has_ended(const struct conversation *conversation);

/* Audio is expected: the timeout for a stalled client applies. */
bool conversation_expects_audio(const struct conversation *conversation);

/* Sends an `error` event. */
void conversation_send_error(const struct conversation_peer *peer, void *context, const char *code,
                             const char *text);

#endif
