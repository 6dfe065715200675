// SPDX-License-Identifier: MIT
#include "models/file/installed_models.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER        "/share/hearken/" /* beside the library's folder */
#define DEFAULT_MODEL "hearken-en"
#define ENDING        ".gguf"

/* Something of this library, for its address. */
static const char anchor;

char *installed_file(const char *name, char *path, size_t size)
{
    Dl_info info;
    if (!dladdr(&anchor, &info) || !info.dli_fname)
        return NULL;
    char *library = realpath(info.dli_fname, NULL);
    if (!library) /* the library is linked statically, and the program's path was relative */
        library = realpath("/proc/self/exe", NULL);
    if (!library)
        return NULL;
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(library, '/');
        if (slash)
            *slash = 0;
    }
    int length = snprintf(path, size, "%s" FOLDER "%s", library, name);
    free(library);
    return length > 0 && (size_t)length < size ? path : NULL;
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
