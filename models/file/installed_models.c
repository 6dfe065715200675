// SPDX-License-Identifier: MIT
#include "models/file/installed_models.h"

#include "include/internal/library_folder.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MODEL "hearken-en"
#define ENDING        ".gguf"

/* Where the Makefile installs models, and the same as seen from the library. */
#ifndef HEARKEN_DATA_DIRECTORY
#define HEARKEN_DATA_DIRECTORY "/usr/local/share/hearken"
#endif
#ifndef HEARKEN_DATA_FROM_LIBRARY
#define HEARKEN_DATA_FROM_LIBRARY "../share/hearken"
#endif

/* The first serves a tree that was moved or staged with DESTDIR, the second the build tree. */
static const char *const data_folders[] = {
    HEARKEN_DATA_FROM_LIBRARY,
    "../share/hearken",
    HEARKEN_DATA_DIRECTORY,
};

/* Resolves symbolic links and ".."; the caller frees the result. NULL if it does not exist. */
static char *resolve_folder(const char *library, const char *folder)
{
    char *joined, *resolved;
    if (folder[0] == '/')
        return realpath(folder, NULL);
    if (!library || asprintf(&joined, "%s/%s", library, folder) < 0)
        return NULL;
    resolved = realpath(joined, NULL);
    free(joined);
    return resolved;
}

char *installed_file(const char *name, char *path, size_t size)
{
    char *library = library_folder(), *folder = NULL;
    for (size_t i = 0; !folder && i < sizeof(data_folders) / sizeof(data_folders[0]); i++)
        folder = resolve_folder(library, data_folders[i]);
    if (!folder) /* a message then names the place where it should be */
        folder = strdup(HEARKEN_DATA_DIRECTORY);
    int length = folder ? snprintf(path, size, "%s/%s", folder, name) : -1;
    free(folder);
    free(library);
    return length >= 0 && (size_t)length < size ? path : NULL;
}

static char *installed_model(const char *name, char *path, size_t size)
{
    char file[256];
    int length = snprintf(file, sizeof(file), "%s" ENDING, name);
    return length > 0 && (size_t)length < sizeof(file) ? installed_file(file, path, size) : NULL;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), its = strlen(ending);
    return length >= its && strcmp(name + length - its, ending) == 0;
}

static bool is_path(const char *name)
{
    return strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           ends_in(name, ENDING) || ends_in(name, ".bin");
}

char *hearken_find_model(const char *name, char *path, size_t size)
{
    if (!name || !*name)
        return installed_model(DEFAULT_MODEL, path, size);
    if (!is_path(name))
        return installed_model(name, path, size);
    int length = snprintf(path, size, "%s", name);
    return length >= 0 && (size_t)length < size ? path : NULL;
}

const char *installed_namesake(const char *path, size_t *length)
{
    char folder[4096], name[256];
    if (!installed_file("", folder, sizeof(folder)) || !ends_in(path, ENDING) ||
        strncmp(path, folder, strlen(folder)) != 0)
        return NULL;
    const char *base = path + strlen(folder);
    *length = strlen(base) - strlen(ENDING);
    if (*length == 0 || *length >= sizeof(name) || strchr(base, '/'))
        return NULL;
    snprintf(name, sizeof(name), "%.*s", (int)*length, base);
    return access(name, F_OK) == 0 ? base : NULL;
}
