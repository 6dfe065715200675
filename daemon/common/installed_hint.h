// SPDX-License-Identifier: MIT
/* Also used by the client, hearken. */
#ifndef HEARKEN_DAEMON_COMMON_INSTALLED_HINT_H
#define HEARKEN_DAEMON_COMMON_INSTALLED_HINT_H

#include <dirent.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int installed_hint_is_model(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && dot != entry->d_name && strcmp(dot, ".gguf") == 0 &&
           strcmp(entry->d_name, "voice.gguf") != 0; /* the voice network alone */
}

/* `result`: of opening the model file `path`. If there is no such file in the folder of the
 * installed models, adds the names of those to the message. */
static inline void installed_hint_add(const char *path, int result, struct hearken_error *error)
{
    char folder[PATH_MAX];
    struct dirent **entries;
    size_t used = strlen(error->message), size = sizeof(error->message);
    if (result != -ENOENT || !hearken_find_model(NULL, folder, sizeof(folder)))
        return;
    char *slash = strrchr(folder, '/');
    size_t length = (size_t)(slash + 1 - folder);
    if (strncmp(path, folder, length) != 0 || strchr(path + length, '/'))
        return;
    *slash = '\0';
    int count = scandir(folder, &entries, installed_hint_is_model, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (used < size)
            used += (size_t)snprintf(error->message + used, size - used, "%s%.*s",
                                     i == 0 ? "; installed are: " : ", ",
                                     (int)(strlen(name) - strlen(".gguf")), name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

#endif
