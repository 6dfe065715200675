// SPDX-License-Identifier: MIT
/* The keys that HTTP clients may send: a file with one a line, of which only hashes are kept. */
#ifndef HEARKEN_DAEMON_HTTP_ACCESS_TOKENS_H
#define HEARKEN_DAEMON_HTTP_ACCESS_TOKENS_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

#define ACCESS_TOKEN_HASH 32u /* bytes of SHA-256 */

struct access_tokens {
    unsigned char (*hashes)[ACCESS_TOKEN_HASH];
    size_t count;
    bool required; /* otherwise every key will do, and none */
};

/* Reads `path`; "": no key is required. Errors: the system's for the file; -EINVAL with the line
 * for one that is no key, or for a file without any; -ENOMEM. There are no tokens then. */
int access_tokens_read(struct access_tokens *tokens, const char *path, struct hearken_error *error);

/* Accepts tokens that are all zeros. */
void access_tokens_finish(struct access_tokens *tokens);

/* Compares all of them, in a time that does not depend on where they differ. `key` may be NULL. */
bool access_tokens_match(const struct access_tokens *tokens, const char *key);

#endif
