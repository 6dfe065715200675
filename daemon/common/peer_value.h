// SPDX-License-Identifier: MIT
/* Numbers and strings from a peer, which is not trusted: kept within bounds. */
#ifndef HEARKEN_DAEMON_COMMON_PEER_VALUE_H
#define HEARKEN_DAEMON_COMMON_PEER_VALUE_H

#include <jansson.h>
#include <stdint.h>

/* Bound of times and durations, in seconds. */
#define PEER_SECONDS_MAX 1e9

/* Clamps a value to `low`..`high`; NaN becomes `low`. */
double number_within(double value, double low, double high);

/* Clamps the integer part of a value to 0..`maximum`; NaN becomes 0. */
uint64_t count_within(double value, uint64_t maximum);

/* A number that is a member of an object, clamped as above; a missing one counts as 0. */
double peer_number(const json_t *object, const char *name, double low, double high);

double peer_seconds(const json_t *object, const char *name);

uint64_t peer_count(const json_t *object, const char *name, uint64_t maximum);

/* A string that is a member of an object, valid as long as the object; "" if it is missing. */
const char *peer_string(const json_t *object, const char *name);

#endif
