// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_COMMON_SPACED_LIST_H
#define HEARKEN_DAEMON_COMMON_SPACED_LIST_H

#include <stdbool.h>
#include <string.h>

/* The next entry of a list between spaces and its length; moves behind it. NULL: there is none. */
static inline const char *spaced_list_next(const char **list, size_t *length)
{
    const char *entry = *list + strspn(*list, " ");
    *length = strcspn(entry, " ");
    *list = entry + *length;
    return *length > 0 ? entry : NULL;
}

static inline bool spaced_list_has(const char *list, const char *wanted)
{
    const char *entry;
    size_t length;
    while ((entry = spaced_list_next(&list, &length)))
        if (length == strlen(wanted) && strncmp(entry, wanted, length) == 0)
            return true;
    return false;
}

#endif
