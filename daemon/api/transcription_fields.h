// SPDX-License-Identifier: MIT
/* What a form asks of a transcription. */
#ifndef HEARKEN_DAEMON_API_TRANSCRIPTION_FIELDS_H
#define HEARKEN_DAEMON_API_TRANSCRIPTION_FIELDS_H

#include "daemon/http/http_form.h"
#include "daemon/recognition/request_options.h"
#include "daemon/recognition/service.h"

#include <jansson.h>
#include <stdbool.h>

enum answer_format {
    ANSWER_JSON,
    ANSWER_TEXT,
    ANSWER_SRT,
    ANSWER_VTT,
    ANSWER_VERBOSE,
    ANSWER_DIARIZED,
    ANSWER_DEEPGRAM,
};

/* How the answer looks; these fields do not change what is recognised. */
struct answer_style {
    enum answer_format format;
    bool words; /* of ANSWER_VERBOSE, which always has segments */
    bool log_probabilities;
    bool stream;
    bool translates;
};

/* A field that was refused. */
struct field_problem {
    unsigned status;
    const char *field, *code; /* constants or the form's */
    struct hearken_error error;
};

/* The model of this name, or of an alias; NULL: there is none. */
const struct model_entry *http_model_find(const struct service *service, const char *name);

/* Reads true or false, or a number that is not infinite: 1, or 0 if the field is absent or empty.
 * Errors: -EINVAL with the problem. */
int field_read_flag(const struct http_form *form, const char *field, bool *flag,
                    struct field_problem *problem);
int field_read_number(const struct http_form *form, const char *field, double *number,
                      struct field_problem *problem);

/* Notes that a field has a wrong value. Returns -EINVAL. */
int field_refuse(struct field_problem *problem, const char *field, const char *value,
                 const char *expected);

/* The end of a prompt, as much as a recognition takes: what came right before the speech. */
const char *prompt_end(const char *prompt);

/* Reads the style. Errors: -EINVAL with the problem. */
int answer_style_read(struct answer_style *style, const struct http_form *form,
                      struct field_problem *problem);

/*
 * What is to be recognised as the data of a `transcribe` event (docs/protocol.md): a new reference.
 * `translates`: into English. NULL, with the problem: a field has a wrong value.
 */
json_t *transcribe_data_make(const struct http_form *form, const struct service *service,
                             bool translates, struct field_problem *problem);

/* The problem of a `transcribe` event that was refused with this code. */
void field_problem_set(struct field_problem *problem, const char *code,
                       const struct http_form *form);

#endif
