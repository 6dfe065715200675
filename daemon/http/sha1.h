// SPDX-License-Identifier: MIT
/* SHA-1 (RFC 3174), which the handshake of a WebSocket is made with; good for nothing else. */
#ifndef HEARKEN_DAEMON_HTTP_SHA1_H
#define HEARKEN_DAEMON_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20u

void sha1(const void *bytes, size_t size, uint8_t hash[SHA1_BYTES]);

#endif
