// SPDX-License-Identifier: MIT
/*
 * What a client and the daemon say to each other, as a state machine over events; no sockets. Its
 * table of states and events is in conversation.c and in docs/protocol.md. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_SESSION_CONVERSATION_H
#define HEARKEN_DAEMON_SESSION_CONVERSATION_H

#include "daemon/common/wyoming.h"
#include "daemon/microphone/subscriber.h"
#include "daemon/recognition/service.h"
#include "daemon/recognition/transcribe_event.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conversation_state {
    CONVERSATION_IDLE,       /* no request */
    CONVERSATION_REQUESTED,  /* transcribe has come, audio has not */
    CONVERSATION_LISTENING,  /* audio comes */
    CONVERSATION_FINISHING,  /* all audio has come, the transcript has not gone out */
    CONVERSATION_REFUSED,    /* the request was answered with an error: its audio is dropped */
    CONVERSATION_SUBSCRIBED, /* it listens to the daemon's microphone */
    CONVERSATION_LEAVING,    /* it wants to no more, the last segment has not gone out */
};

#define CONVERSATION_STATES (CONVERSATION_LEAVING + 1)

/* Bytes of the largest frame: 4 a sample. */
#define CONVERSATION_FRAME_MAX (4 * HEARKEN_CHANNELS_MAX)

enum conversation_verdict {
    CONVERSATION_GO_ON,
    CONVERSATION_WAIT,  /* give the same event again at `resume` */
    CONVERSATION_CLOSE, /* an error was sent: close when it has gone out */
};

/* The client, as seen from here. Both may be called from within conversation_handle, and between
 * calls of it. */
struct conversation_peer {
    /* Takes over the reference of `data`, which may be NULL (no memory). */
    void (*send)(void *context, const char *type, json_t *data, const void *payload,
                 size_t payload_length);
    /* The request is over, or its queue has room again: never from within conversation_handle. */
    void (*resume)(void *context);
};

struct conversation {
    struct service *service;
    const struct conversation_peer *peer;
    void *context;
    unsigned id; /* for the log */
    enum conversation_state state;
    struct transcribe_event transcribe;
    struct request *request; /* LISTENING and FINISHING, while the recogniser runs */
    size_t frame_size;
    uint64_t frames;       /* that have come */
    size_t partial_length; /* bytes of the frame that ends in the next chunk */
    uint8_t partial[CONVERSATION_FRAME_MAX];
    bool plain;           /* the request does without hearken's own part of the protocol */
    bool over;            /* nothing more is to be said: close */
    const char *cut_code; /* of the error to end with, as audio-stop never came; or NULL */
    const char *cut_text;
    json_t *segments;             /* final ones, if the client wants them */
    char *text;                   /* of the final ones, joined; NULL: none yet */
    bool started;                 /* transcript-start has gone out */
    bool local;                   /* the client is on this machine */
    struct subscriber subscriber; /* SUBSCRIBED and LEAVING */
};

/* Service and peer must outlive the conversation. `local`: the client is on this machine. Cannot
 * fail. */
void conversation_init(struct conversation *conversation, struct service *service,
                       const struct conversation_peer *peer, void *context, unsigned id,
                       bool local);

/* Abandons the request, if there is one. */
void conversation_finish(struct conversation *conversation);

enum conversation_verdict conversation_handle(struct conversation *conversation,
                                              const struct wyoming_event *event);

/* More audio waits for the recogniser than should: read no more until `resume`. */
bool conversation_is_full(struct conversation *conversation);

/*
 * The client sends no more audio, though audio-stop has not come. What has come is heard, the
 * transcript goes out, then the error (code and text: constants), and the conversation is over.
 * `hears` false: only what is recognised already is told, at once. False: there is no such audio,
 * and nothing was done.
 */
bool conversation_cut(struct conversation *conversation, bool hears, const char *code,
                      const char *text);

/* conversation_cut is at work: no more is expected of the client. */
bool conversation_is_cut(const struct conversation *conversation);

/* The last answer has gone out: close. */
bool conversation_is_over(const struct conversation *conversation);

/* Audio is expected: the client may not be silent for long. */
bool conversation_owes_audio(const struct conversation *conversation);

/* Sends an `error` event. */
void conversation_send_error(const struct conversation_peer *peer, void *context, const char *code,
                             const char *text);

#endif
