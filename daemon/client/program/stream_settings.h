// SPDX-License-Identifier: MIT
/* How to recognise, where the user wants it otherwise than the daemon or the library does. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_SETTINGS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_STREAM_SETTINGS_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stddef.h>

/* Each name at most once, so this is more than there are. */
#define STREAM_SETTINGS_MAX 32

struct stream_setting {
    const char *name; /* a constant, as in [recognition] of hearkend.conf(5) */
    double value;     /* within the range that hearken.h states; of a switch 0 or 1 */
    const char *text; /* of what is text or one of some words, the caller's; else NULL */
};

struct stream_settings {
    size_t count;
    struct stream_setting items[STREAM_SETTINGS_MAX];
    const char *model; /* of a daemon's, by name; NULL: its default */
    char *words;       /* custom words, one a line; NULL: not said */
};

/* Accepts one that is all zeros. */
void stream_settings_finish(struct stream_settings *settings);

/* Reads "name=value", which has to live as long as the settings; a later one replaces an earlier
 * one of the same name. -EINVAL: `error` says what was expected. */
int stream_settings_add(struct stream_settings *settings, const char *text,
                        struct hearken_error *error);

/* The same for one that is text or a word, of which `value` is all. */
int stream_settings_add_text(struct stream_settings *settings, const char *name, const char *value,
                             struct hearken_error *error);

/* The daemon's model, by name; NULL: its default. It is not copied. -EINVAL: not UTF-8. */
int stream_settings_set_model(struct stream_settings *settings, const char *model,
                              struct hearken_error *error);

/* Adds words between commas, or a file of a word a line, to those of the list. Errors: -EINVAL,
 * -ENOMEM or the system's for the file, in words. */
int stream_settings_add_words(struct stream_settings *settings, const char *words,
                              struct hearken_error *error);
int stream_settings_add_word_file(struct stream_settings *settings, const char *path,
                                  struct hearken_error *error);

/* For a stream of our own, which has to be made before the settings are finished. */
void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options);

/* For a daemon: adds each to the request, which has the object of our extension. -ENOMEM. */
int stream_settings_describe(const struct stream_settings *settings, json_t *request);

#endif
