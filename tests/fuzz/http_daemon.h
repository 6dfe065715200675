// SPDX-License-Identifier: MIT
/*
 * A daemon in this process that serves HTTP to the fuzzer. Its model does not exist, so nothing is
 * recognised; uploads are decoded all the same.
 */
#ifndef HEARKEN_TESTS_FUZZ_HTTP_DAEMON_H
#define HEARKEN_TESTS_FUZZ_HTTP_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* [length + 1], ends with a 0 */
    size_t length, capacity;
};

void text_append(struct text *text, const char *bytes, size_t length);

/* Aborts unless the condition holds. */
void must(bool condition);

/* Sends bytes on a connection of their own, and collects what comes back until it is closed.
 * `choice` 0: sent whole, otherwise the seed of the pieces. */
void http_daemon_converse(const uint8_t *bytes, size_t size, unsigned choice, struct text *answers);

#endif
