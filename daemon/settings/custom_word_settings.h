// SPDX-License-Identifier: MIT
/* Custom words: from the configuration, and from a client's request. A list is a text with a word
 * or phrase a line, as the library takes it; NULL: there are none. */
#ifndef HEARKEN_DAEMON_SETTINGS_CUSTOM_WORD_SETTINGS_H
#define HEARKEN_DAEMON_SETTINGS_CUSTOM_WORD_SETTINGS_H

#include "daemon/settings/settings.h"

#include <jansson.h>

/* Makes the list of what the settings say: puts it into settings->listed_words, and recognition
 * refers to it. Errors, after a report: -EINVAL, -ENOMEM, or the system's for the file. */
int custom_word_settings_load(struct settings *settings, setting_problem_callback *callback,
                              void *context);

/* The same list for a copy of the settings. Errors: -ENOMEM. */
int custom_word_settings_copy(struct settings *to, const struct settings *from);

/* The strings of a JSON array, which holds nothing else. Errors: -EINVAL with what is wrong,
 * -ENOMEM; there is no list then. */
int custom_word_settings_make(char **list, const json_t *words, struct hearken_error *error);

/* Adds those of another one, as far as they fit in and are words. Errors: -ENOMEM. */
int custom_word_settings_add_hints(char **list, const json_t *words);

#endif
