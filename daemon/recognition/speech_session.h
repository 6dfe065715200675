// SPDX-License-Identifier: MIT
/*
 * Live speech of one client: sound of any rate and encoding goes in, text comes out while it is
 * spoken. A session goes on for as long as the client likes; its times count from its first sample.
 * Between two ends it is one request to the workers. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_RECOGNITION_SPEECH_SESSION_H
#define HEARKEN_DAEMON_RECOGNITION_SPEECH_SESSION_H

#include "daemon/recognition/request_options.h"
#include "daemon/recognition/service.h"
#include "daemon/recognition/whole_frames.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum speech_encoding {
    SPEECH_S16, /* little endian, like the next */
    SPEECH_F32,
    SPEECH_MULAW,
    SPEECH_ALAW,
};

struct speech_format {
    enum speech_encoding encoding;
    uint32_t rate, channels;
};

/* None is called from within a function of the session, nor after speech_session_finish. */
struct speech_listener {
    /* Speech begins or ends (docs/protocol.md), or a text that may still change or is final. */
    void (*segment)(void *context, const struct segment_message *segment);
    /* All texts of segments that end before `seconds` have come. */
    void (*heard)(void *context, double seconds);
    /* There is room for more sound again. */
    void (*room)(void *context);
    /* All texts of what was written before speech_session_end have come. */
    void (*ended)(void *context, const struct request_summary *summary);
    /* What was written since the last end cannot be recognised. */
    void (*failed)(void *context, const char *problem);
};

struct speech_session {
    struct service *service;
    const struct speech_listener *listener;
    void *context;
    enum request_protocol protocol;
    struct transcribe_event transcribe;
    struct speech_format format;      /* of the request */
    struct speech_format next_format; /* of the next one */
    struct request *request;          /* NULL: nothing was written since the last end */
    bool ending;                      /* the request is */
    bool waits;                       /* counts among service->admitted */
    double origin;                    /* seconds before the request */
    uint64_t frames;                  /* of the request */
    struct whole_frames partial;
    double drain_until; /* uv_hrtime in seconds; 0: the daemon does not stop */
};

/* Without options, which are to be set before the first write. */
void speech_session_init(struct speech_session *session, struct service *service,
                         enum request_protocol protocol, const struct speech_listener *listener,
                         void *context);

/* Abandons what is recognised. Accepts one that is all zeros. */
void speech_session_finish(struct speech_session *session);

/*
 * What is recognised, as the data of a `transcribe` event, and the format of the sound; both count
 * from the next request on. Errors: as transcribe_event_parse; the old ones stay then.
 */
int speech_session_configure(struct speech_session *session, const json_t *data,
                             const struct speech_format *format, const char **code,
                             struct hearken_error *error);

/* Sound, which need not be whole frames; not while the session is ending. Errors: -ENOENT: the
 * model is no longer configured, -ENOMEM. */
int speech_session_write(struct speech_session *session, const uint8_t *bytes, size_t length,
                         struct hearken_error *error);

/* There is no more sound for now: `ended` or `failed` follows. False: there was none. */
bool speech_session_end(struct speech_session *session);

/* Drops what was not recognised yet; nothing is told of it. */
void speech_session_drop(struct speech_session *session);

/* Whether it takes more sound; `room` or `ended` follows if not. */
bool speech_session_is_ready(struct speech_session *session);

/* The daemon stops: the session is to end in a pause of the speech, and when that is overdue within
 * it. */
void speech_session_drain(struct speech_session *session);
bool speech_session_is_draining(const struct speech_session *session);
bool speech_session_is_overdue(const struct speech_session *session);

/* Seconds of sound that were written so far. */
double speech_session_seconds(const struct speech_session *session);

#endif
