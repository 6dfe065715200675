// SPDX-License-Identifier: MIT
/* Builds a list of custom words: text with one word or phrase per line, as the library expects.
 * NULL is an empty list; the caller frees it. hearken_custom_words_check validates it. */
#ifndef HEARKEN_DAEMON_COMMON_CUSTOM_WORD_LIST_H
#define HEARKEN_DAEMON_COMMON_CUSTOM_WORD_LIST_H

#include <hearken/hearken.h>
#include <stddef.h>

/* Adds a line of `length` bytes. Errors: -ENOMEM. */
int custom_word_list_add(char **list, const char *line, size_t length);

/* Adds the items of a comma-separated list. Errors: -ENOMEM. */
int custom_word_list_add_between_commas(char **list, const char *words);

/* Adds the lines of a file. Errors: -EINVAL, -ENOMEM or the system's. */
int custom_word_list_add_file(char **list, const char *path, struct hearken_error *error);

#endif
