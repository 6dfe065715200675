// SPDX-License-Identifier: MIT
/* What a server tells, made safe to calculate with. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_PEER_JSON_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_PEER_JSON_H

#include <jansson.h>
#include <stdint.h>

/* No time or duration, in seconds, is further from 0. */
#define PEER_SECONDS_MAX 1e9

/* A value within `low`..`high`, or `low` for what is not a number. */
double number_within(double value, double low, double high);

/* The whole part of a value within 0..`maximum`; 0 for what is not a number. */
uint64_t count_within(double value, uint64_t maximum);

/* A member of an object; 0 where there is no such number. Likewise kept within bounds. */
double peer_number(const json_t *object, const char *name, double low, double high);

double peer_seconds(const json_t *object, const char *name);

uint64_t peer_count(const json_t *object, const char *name, uint64_t maximum);

/* "" where there is no such string. It lives as long as the object. */
const char *peer_string(const json_t *object, const char *name);

#endif
