// SPDX-License-Identifier: MIT
/* How to recognise, where the user wants it otherwise than the daemon or the library does. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_SETTINGS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_SETTINGS_H

#include "daemon/client/program/client_options.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What a command line says of it, as options_parse leaves it; all point into argv. NULL: not
 * given. */
struct stream_arguments {
    const char *beam, *language, *prompt, *channels;
    bool translate;
    const char *model; /* a daemon's, by name, or with --local a file */
    struct option_list settings, words, word_files;
};

/* Each name at most once, so this is more than there are. */
#define STREAM_SETTINGS_MAX 64

struct stream_setting {
    const struct hearken_option *option;
    double value;     /* within the option's range */
    const char *text; /* of a text or choice: as it was given, in argv; else NULL */
};

struct stream_settings {
    size_t count;
    struct stream_setting items[STREAM_SETTINGS_MAX];
    const char *model; /* of a daemon's, by name; NULL: its default */
    char *words;       /* custom words, one a line; NULL: not said */
};

/* Fills `settings`, which are all zeros, from the arguments; the caller finishes them in any case.
 * `local`: without the model, which this process opens. Returns an exit code, having said on
 * standard error what is wrong. */
int stream_settings_read(struct stream_settings *settings, const struct stream_arguments *arguments,
                         const struct command *command, bool local);

/* A copy, which the caller finishes; the texts stay those of the original. Errors: -ENOMEM. */
int stream_settings_copy(const struct stream_settings *from, struct stream_settings *to);

/*
 * Adds those of an object, {"beam_width": 2, "language": "de", "custom_words": ["Ada"]}, as
 * stream_settings_describe writes them; its texts must outlive the settings. Errors: -EINVAL,
 * -ENOMEM.
 */
int stream_settings_add_json(struct stream_settings *settings, const json_t *object,
                             struct hearken_error *error);

/* Accepts one that is all zeros. */
void stream_settings_finish(struct stream_settings *settings);

/* What is to become of channels: enum hearken_channels. */
unsigned stream_settings_channels(const struct stream_settings *settings);

/* For a stream of our own, which has to be made before the settings are finished. */
void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options);

/* For a daemon: adds each to the request, which has the object of our extension. -ENOMEM. */
int stream_settings_describe(const struct stream_settings *settings, json_t *request);

#endif
