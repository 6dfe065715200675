// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_HTTP_HEADER_LIST_H
#define HEARKEN_DAEMON_HTTP_HEADER_LIST_H

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* The next entry of a header's list with commas and its length; moves behind it. NULL: there is
 * none. */
static inline const char *header_list_next(const char **list, size_t *length)
{
    const char *entry = *list + strspn(*list, ", \t");
    *length = strcspn(entry, ",");
    *list = entry + *length;
    while (*length > 0 && (entry[*length - 1] == ' ' || entry[*length - 1] == '\t'))
        --*length;
    return *length > 0 ? entry : NULL;
}

/* In any case. `list` may be NULL. */
static inline bool header_list_has(const char *list, const char *wanted)
{
    const char *entry;
    size_t length;
    while (list && (entry = header_list_next(&list, &length)))
        if (length == strlen(wanted) && strncasecmp(entry, wanted, length) == 0)
            return true;
    return false;
}

#endif
