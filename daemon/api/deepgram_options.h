// SPDX-License-Identifier: MIT
/* The query of a request in Deepgram's form, for live speech and recordings (docs/realtime.md). */
#ifndef HEARKEN_DAEMON_API_DEEPGRAM_OPTIONS_H
#define HEARKEN_DAEMON_API_DEEPGRAM_OPTIONS_H

#include "daemon/api/transcription_fields.h"
#include "daemon/http/http_exchange.h"
#include "daemon/recognition/speech_session.h"

struct deepgram_options {
    struct http_form form; /* the query as fields of a transcription */
    bool is_raw;           /* the sound has `format`; otherwise it says itself what it is */
    struct speech_format format;
    bool multichannel, interim_results, vad_events, endpointing;
    double utterance_end; /* seconds of silence behind the last word; 0: not told */
};

/* Errors: -EINVAL with the problem. deepgram_options_finish is to be called in any case. */
int deepgram_options_read(struct deepgram_options *options, const struct http_exchange *exchange,
                          struct field_problem *problem);
void deepgram_options_finish(struct deepgram_options *options);

/* What is to be recognised while it is spoken, as the data of a `transcribe` event: a new
 * reference. NULL, with the problem: a wrong value. */
json_t *deepgram_live_data(const struct deepgram_options *options, const struct service *service,
                           struct field_problem *problem);

#endif
