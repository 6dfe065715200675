// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_TCP_ADDRESS_H
#define HEARKEN_DAEMON_COMMON_TCP_ADDRESS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP_HOST_BYTES 256

/* Whether a port is a number. */
static inline bool tcp_port_is_number(const char *port)
{
    return port[strspn(port, "0123456789")] == '\0';
}

/*
 * Splits "HOST:PORT" or "[HOST]:PORT"; an IPv6 address needs the brackets. `port` points into
 * `address` and is a name or a number from 1 to 65535: getaddrinfo accepts larger numbers and
 * truncates them to 16 bits.
 */
static inline bool tcp_address_split(const char *address, char host[TCP_HOST_BYTES],
                                     const char **port)
{
    const char *colon = strrchr(address, ':'), *start = address;
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (length >= 2 && start[0] == '[' && start[length - 1] == ']') {
        start++;
        length -= 2;
    } else if (memchr(start, ':', length)) {
        return false;
    }
    if (length == 0 || length >= TCP_HOST_BYTES || !colon[1])
        return false;
    if (tcp_port_is_number(colon + 1) &&
        (strlen(colon + 1) > 5 || atoi(colon + 1) < 1 || atoi(colon + 1) > 65535))
        return false;
    snprintf(host, TCP_HOST_BYTES, "%.*s", (int)length, start);
    *port = colon + 1;
    return true;
}

#endif
