// SPDX-License-Identifier: MIT
/* Where a browser finds the daemon's page, from what the daemon told of itself. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PAGE_ADDRESS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PAGE_ADDRESS_H

#include <jansson.h>
#include <stdbool.h>

#define PAGE_ADDRESS_SIZE 400

/* The address that suits a browser best, "http://HOST:PORT/". `tcp`: HOST:PORT by which the daemon
 * was reached, or NULL. False: there is none. */
bool page_address_find(const json_t *status, const char *tcp, char page[PAGE_ADDRESS_SIZE]);

/* Why there is none, and what to do about it. */
const char *page_address_missing(const json_t *status);

#endif
