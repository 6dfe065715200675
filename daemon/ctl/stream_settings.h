// SPDX-License-Identifier: MIT
/* How to recognise, where the user wants it otherwise than the daemon or the library does. */
#ifndef HEARKEN_CTL_STREAM_SETTINGS_H
#define HEARKEN_CTL_STREAM_SETTINGS_H

#include <jansson.h>
#include <stddef.h>

#include "hearken/hearken.h"

/* Each name at most once, so this is more than there are. */
#define STREAM_SETTINGS_MAX 16

struct stream_setting {
    const char *name; /* a constant, as in [recognition] of hearkend.conf(5) */
    double value;     /* within the range that hearken.h states; of a switch 0 or 1 */
};

struct stream_settings {
    size_t count;
    struct stream_setting items[STREAM_SETTINGS_MAX];
};

/* Reads "name=value"; a later one replaces an earlier one of the same name. -EINVAL: `error` says
 * what was expected. */
int stream_settings_add(struct stream_settings *settings, const char *text,
                        struct hearken_error *error);

/* For a stream of our own. */
void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options);

/* For a daemon: adds each to the object of our extension. -ENOMEM. */
int stream_settings_describe(const struct stream_settings *settings, json_t *extension);

#endif
