// SPDX-License-Identifier: MIT
/* The page for live transcription: a route's callbacks for / and for the files that it loads. They
 * lie in daemon/api/page/ and are part of the program. */
#ifndef HEARKEN_DAEMON_API_PAGE_FILES_H
#define HEARKEN_DAEMON_API_PAGE_FILES_H

#include "daemon/http/http_exchange.h"

void page_files_show_index(struct http_exchange *exchange);
void page_files_show(struct http_exchange *exchange);

#endif
