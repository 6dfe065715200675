// SPDX-License-Identifier: MIT
/* Segments as JSON. What makes objects gives a new reference, or NULL without memory. */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_SEGMENT_JSON_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_SEGMENT_JSON_H

#include "daemon/client/output/transcript.h"

#include <jansson.h>
#include <stdio.h>

/* Times to the millisecond and confidences to a thousandth: more digits would only pretend. */
json_t *json_rounded(double value);

/* Any bytes as a JSON string: a file's name need not be UTF-8, JSON must. */
json_t *json_any_string(const char *bytes);

json_t *json_segment(const struct transcript_segment *segment);

/* One line; takes the object, which may be NULL. Errors: -ENOMEM. */
int json_print_line(FILE *stream, json_t *object);

#endif
