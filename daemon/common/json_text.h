// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_JSON_TEXT_H
#define HEARKEN_DAEMON_COMMON_JSON_TEXT_H

#include "include/internal/utf8.h"

#include <jansson.h>

/* Any terminated bytes as a JSON string: those that are not UTF-8, as in a file's name, become
 * U+FFFD. NULL: out of memory. */
static inline json_t *json_from_text(const char *text)
{
    char *repaired = utf8_repair(text, strlen(text));
    json_t *string = repaired ? json_string(repaired) : NULL;
    free(repaired);
    return string;
}

/* What a value is, for messages: "got a number". `value` may be NULL. */
static inline const char *json_type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return value ? names[json_typeof(value)] : "nothing";
}

#endif
