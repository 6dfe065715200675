// SPDX-License-Identifier: MIT
/* The daemon's counters in the text format of Prometheus. */
#ifndef HEARKEN_DAEMON_API_METRICS_PAGE_H
#define HEARKEN_DAEMON_API_METRICS_PAGE_H

#include "daemon/http/http_exchange.h"

void metrics_page_show(struct http_exchange *exchange);

#endif
