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
#define GGML_ENDING   ".bin"

#define SYSTEM_FOLDER "/var/lib/hearken/models"
#define PATH_VARIABLE "HEARKEN_MODEL_PATH"

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

char *hearken_models_folder(char *path, size_t size)
{
    const char *listed = secure_getenv(PATH_VARIABLE);
    const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");
    int length = -1;
    if (listed && *listed && *listed != ':')
        length = snprintf(path, size, "%.*s", (int)strcspn(listed, ":"), listed);
    else if (geteuid() == 0)
        length = snprintf(path, size, "%s", SYSTEM_FOLDER);
    else if (data && *data == '/')
        length = snprintf(path, size, "%s/hearken/models", data);
    else if (home && *home)
        length = snprintf(path, size, "%s/.local/share/hearken/models", home);
    return length >= 0 && (size_t)length < size ? path : NULL;
}

/* Whether the folder, of `length` bytes, has NAME.gguf or NAME.bin; then `path` is that. */
static bool has_model(const char *folder, size_t length, const char *name, char *path, size_t size)
{
    static const char *const endings[] = {ENDING, GGML_ENDING};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        int used = snprintf(path, size, "%.*s/%s%s", (int)length, folder, name, endings[i]);
        if (used > 0 && (size_t)used < size && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* In the folders that the environment lists, that of this user, and that of the system. */
static bool find_got_model(const char *name, char *path, size_t size)
{
    char folder[4096];
    const char *listed = secure_getenv(PATH_VARIABLE);
    for (const char *at = listed ? listed : ""; *at; at += strcspn(at, ":"), at += *at == ':')
        if (has_model(at, strcspn(at, ":"), name, path, size))
            return true;
    if (hearken_models_folder(folder, sizeof(folder)) &&
        has_model(folder, strlen(folder), name, path, size))
        return true;
    return has_model(SYSTEM_FOLDER, strlen(SYSTEM_FOLDER), name, path, size);
}

/* A model that is installed with the library goes before others of its name, but for those of
 * folders that the environment lists. */
static char *installed_model(const char *name, char *path, size_t size)
{
    char file[256];
    int length = snprintf(file, sizeof(file), "%s" ENDING, name);
    if (length < 0 || (size_t)length >= sizeof(file))
        return NULL;
    bool is_listed = secure_getenv(PATH_VARIABLE) && find_got_model(name, path, size);
    if (is_listed)
        return path;
    if (!installed_file(file, path, size))
        return NULL;
    char got[4096];
    if (access(path, F_OK) == 0 || !find_got_model(name, got, sizeof(got)))
        return path;
    length = snprintf(path, size, "%s", got);
    return (size_t)length < size ? path : NULL;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), its = strlen(ending);
    return length >= its && strcmp(name + length - its, ending) == 0;
}

static bool is_path(const char *name)
{
    return strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           ends_in(name, ENDING) || ends_in(name, GGML_ENDING);
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
