// SPDX-License-Identifier: MIT
/* The answer to a transcription in each of its formats. */
#ifndef HEARKEN_DAEMON_API_TRANSCRIPTION_ANSWER_H
#define HEARKEN_DAEMON_API_TRANSCRIPTION_ANSWER_H

#include "daemon/api/transcription_fields.h"
#include "daemon/http/http_exchange.h"
#include "daemon/transcript/transcript.h"

#include <jansson.h>

struct transcription_answer {
    struct answer_style style;
    const struct transcript *transcript;
    const char *language;         /* a code */
    const struct http_form *form; /* has the speakers' names */
    double audio_seconds, busy_seconds;
    json_t *warnings; /* a list of strings, perhaps empty; or NULL */
};

/* An entry of `logprobs`, one a word: its bytes, and the mean log-probability of its tokens.
 * `first`: no word is before it. NULL: out of memory. */
json_t *transcription_word_probability(const char *word, double confidence, bool first);

/* Answers with the whole transcript. */
void transcription_answer_send(const struct transcription_answer *answer,
                               struct http_exchange *exchange);

/* Events of a stream: the text of a segment, `first` or behind others, and the end. */
void transcription_answer_send_delta(const struct transcription_answer *answer,
                                     struct http_exchange *exchange,
                                     const struct transcript_segment *segment, size_t index);
void transcription_answer_send_done(const struct transcription_answer *answer,
                                    struct http_exchange *exchange);

#endif
