// SPDX-License-Identifier: MIT
/* A list of custom words in the making: a text with a word or phrase a line, as the library takes
 * it. NULL is an empty one; free() ends it. What it holds, hearken_custom_words_check judges. */
#ifndef HEARKEN_DAEMON_COMMON_CUSTOM_WORD_LIST_H
#define HEARKEN_DAEMON_COMMON_CUSTOM_WORD_LIST_H

#include <hearken/hearken.h>
#include <stddef.h>

/* Adds a line of `length` bytes. Errors: -ENOMEM. */
int custom_word_list_add(char **list, const char *line, size_t length);

/* Adds what stands between the commas of `words`. Errors: -ENOMEM. */
int custom_word_list_add_between_commas(char **list, const char *words);

/* Adds the lines of a file. Errors: -EINVAL, -ENOMEM or the system's, in words. */
int custom_word_list_add_file(char **list, const char *path, struct hearken_error *error);

#endif
