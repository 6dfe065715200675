// SPDX-License-Identifier: MIT
/*
 * The settings of a session of OpenAI's Realtime interface: read from what a client sends, in
 * today's form or in the flat one of the Beta, kept as an object in today's form, and made into the
 * options of a recognition.
 */
#ifndef HEARKEN_DAEMON_API_REALTIME_SETTINGS_H
#define HEARKEN_DAEMON_API_REALTIME_SETTINGS_H

#include "daemon/recognition/speech_session.h"

#include <jansson.h>
#include <stdbool.h>

struct realtime_settings {
    /* {"audio": {"input": {"format", "noise_reduction", "transcription", "turn_detection"}},
     *  "include", "hearken"} */
    json_t *session;
    bool detects_turns;     /* items end where speech does; otherwise where the client says */
    bool log_probabilities; /* completed texts have them */
    bool partial, words;    /* asked for with session.hearken */
};

/* A setting that was refused. */
struct realtime_problem {
    const char *code, *parameter; /* constants, or NULL */
    struct hearken_error error;
};

/* The defaults. NULL: out of memory. */
json_t *realtime_settings_default(const struct settings *settings);

/*
 * Merges what a client sends as `session` into the settings and configures the recognition so.
 * `update` NULL: as they are. Errors: -EINVAL with the problem, and nothing has changed.
 */
int realtime_settings_update(struct realtime_settings *settings, const json_t *update,
                             struct speech_session *speech, struct realtime_problem *problem);

/* What the client is told of its session; `flat`: in the form of the Beta. */
json_t *realtime_settings_describe(const struct realtime_settings *settings, const char *id,
                                   bool flat);

#endif
