// SPDX-License-Identifier: MIT
/* The little of UTF-8 that output needs. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_UTF8_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the valid code point at `text`, 1..4; 0 if there is none (also at the final NUL). */
size_t utf8_length(const char *text);

/* Code points in the first `bytes` bytes of valid UTF-8: what a subtitle counts as its width. */
size_t utf8_count(const char *text, size_t bytes);

/* Whether all of it is valid UTF-8. */
bool utf8_is_valid(const char *text);

/* A copy in which U+FFFD stands for each byte that is not part of valid UTF-8; to be freed. NULL:
 * no memory. */
char *utf8_repair(const char *bytes);

#endif
