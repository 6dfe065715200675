// SPDX-License-Identifier: MIT
/* Reads and checks the options of a request: the contents of a `transcribe` or `hearken-listen`
 * event (docs/protocol.md), and the audio format. */
#ifndef HEARKEN_DAEMON_RECOGNITION_REQUEST_OPTIONS_H
#define HEARKEN_DAEMON_RECOGNITION_REQUEST_OPTIONS_H

#include "daemon/common/wyoming.h"
#include "daemon/recognition/request.h"
#include "daemon/recognition/service.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct transcribe_event {
    struct request_options options; /* all but the audio format */
    bool extended;                  /* the client uses hearken's extensions of the protocol */
    char language[36];              /* as requested or detected; "": unknown */
    char *custom_words;             /* the options point to them; NULL: none */

    bool from_microphone; /* hearken-listen: recognise the daemon's microphone */
    /* Only for hearken-listen: */
    bool transcripts; /* send Wyoming's transcripts as well */
    bool meter;       /* send the level */
    bool hold;        /* do not listen until the next hearken-start */
};

/* Sets the defaults, which apply to a client that sends audio without `transcribe`. The struct must
 * be all zeros or have been initialised before. Errors: -ENOMEM; call transcribe_event_finish then,
 * too. */
int transcribe_event_init(struct transcribe_event *transcribe, const struct settings *settings);

/* Accepts a struct that is all zeros. */
void transcribe_event_finish(struct transcribe_event *transcribe);

/*
 * Reads the event's data over the defaults. On failure returns -EINVAL, with a code for the error
 * event in `code` (a constant) and the reason, but not the event's type, in `error`.
 */
int transcribe_event_parse(struct transcribe_event *transcribe, const json_t *data,
                           const struct service *service, const char **code,
                           struct hearken_error *error);

/* The same for a client that sends live speech, with defaults that suit it: segments, partial ones
 * too, and endpoints. */
int transcribe_event_parse_live(struct transcribe_event *transcribe, const json_t *data,
                                const struct service *service, const char **code,
                                struct hearken_error *error);

/* The same for hearken-listen. */
int transcribe_event_parse_listen(struct transcribe_event *transcribe, const json_t *data,
                                  const struct service *service, const char **code,
                                  struct hearken_error *error);

/*
 * Reads the audio format from the data of audio-start or audio-chunk. `known` provides the fields
 * that are absent; NULL: all are required. Errors: -EINVAL.
 */
int audio_format_read(const struct wyoming_event *event, const struct hearken_audio_format *known,
                      struct hearken_audio_format *format, struct hearken_error *error);

/* Bytes of one sample, 1 to 4. */
uint32_t audio_format_width(enum hearken_sample_type type);

#endif
