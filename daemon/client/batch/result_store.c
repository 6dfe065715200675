// SPDX-License-Identifier: MIT
#include "daemon/client/batch/result_store.h"

#include "daemon/client/batch/manifest.h"
#include "include/internal/write_all.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_NAME (STORE_NAME + STORE_HOST + 32)

static const char *const folder_names[STORE_FOLDERS] = {
    [STORE_RESULTS] = "",        [STORE_FAILED] = "failed",     [STORE_ATTEMPTS] = "attempts",
    [STORE_PARTIAL] = "partial", [STORE_PROGRESS] = "progress",
};

/* ---- Opening ---- */

/* The host's name is part of files' names. */
static void name_host(char host[STORE_HOST])
{
    if (gethostname(host, STORE_HOST) < 0)
        host[0] = '\0';
    host[STORE_HOST - 1] = '\0';
    for (char *at = host; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr(".-_", *at))
            *at = '_';
    if (!*host)
        strcpy(host, "host");
}

static int open_folder(struct result_store *store, enum store_folder folder, bool create)
{
    int parent = folder == STORE_RESULTS ? AT_FDCWD : store->folders[STORE_RESULTS];
    const char *name = folder == STORE_RESULTS ? store->path : folder_names[folder];
    if (create && mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
        return -errno;
    store->folders[folder] = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folders[folder] >= 0)
        return 0;
    return errno == ENOENT && !create && folder != STORE_RESULTS ? 0 : -errno;
}

int result_store_open(struct result_store *store, const char *path, bool create,
                      struct hearken_error *error)
{
    int result = 0;
    *store = (struct result_store){.path = path};
    name_host(store->host);
    for (int i = 0; i < STORE_FOLDERS; i++)
        store->folders[i] = -1;
    for (int i = 0; i < STORE_FOLDERS && result == 0; i++)
        if ((result = open_folder(store, (enum store_folder)i, create)) < 0)
            hearken_fail(error, result, "%s%s%s: %s", path, i > 0 ? "/" : "", folder_names[i],
                         strerror(-result));
    return result;
}

void result_store_close(struct result_store *store)
{
    for (int i = 0; i < STORE_FOLDERS; i++)
        if (store->folders[i] >= 0)
            close(store->folders[i]);
}

/* ---- Writing ---- */

void result_store_name(const char *id, char name[STORE_NAME])
{
    snprintf(name, STORE_NAME, "%.*s.json", (int)MANIFEST_ID_MAX, id);
}

static void name_aside(const struct result_store *store, const char *name, pid_t pid,
                       char aside[ASIDE_NAME])
{
    snprintf(aside, ASIDE_NAME, "%s.tmp.%s.%ld", name, store->host, (long)pid);
}

static int write_aside(int folder, const char *aside, const char *bytes, size_t length)
{
    int file = openat(folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file < 0)
        return -errno;
    int result = write_all(file, bytes, length);
    if (result == 0 && fsync(file) < 0)
        result = -errno;
    if (close(file) < 0 && result == 0)
        result = -errno;
    return result;
}

int result_store_write(const struct result_store *store, enum store_folder folder, const char *name,
                       const char *bytes, size_t length, struct hearken_error *error)
{
    char aside[ASIDE_NAME];
    int at = store->folders[folder];
    name_aside(store, name, getpid(), aside);
    int result = write_aside(at, aside, bytes, length);
    if (result == 0 && renameat(at, aside, at, name) < 0)
        result = -errno;
    if (result == 0)
        return 0;
    unlinkat(at, aside, 0);
    return hearken_fail(error, result, "%s/%s%s%s: %s", store->path, folder_names[folder],
                        folder == STORE_RESULTS ? "" : "/", name, strerror(-result));
}

int result_store_sync(const struct result_store *store, struct hearken_error *error)
{
    static const enum store_folder folders[] = {STORE_RESULTS, STORE_FAILED};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (fsync(store->folders[folders[i]]) < 0 && errno != EINVAL) /* not all systems can */
            return hearken_fail(error, -errno, "%s: %s", store->path, strerror(errno));
    return 0;
}

int result_store_write_json(const struct result_store *store, enum store_folder folder,
                            const char *name, json_t *object, struct hearken_error *error)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = object ? open_memstream(&text, &length) : NULL;
    int result = stream ? 0 : -ENOMEM;
    if (stream) {
        result = json_dumpf(object, stream, JSON_REAL_PRECISION(10)) < 0 ? -ENOMEM : 0;
        fputc('\n', stream);
        if (fclose(stream) != 0)
            result = -ENOMEM;
    }
    json_decref(object);
    if (result == 0)
        result = result_store_write(store, folder, name, text, length, error);
    else
        hearken_fail(error, result, "%s", strerror(-result));
    free(text);
    return result;
}

/* ---- Reading ---- */

json_t *result_store_read(const struct result_store *store, enum store_folder folder,
                          const char *name)
{
    struct stat state;
    int at = store->folders[folder];
    int file = at < 0 ? -1 : openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    json_t *object = NULL;
    if (file < 0)
        return NULL;
    if (fstat(file, &state) == 0 && S_ISREG(state.st_mode))
        object = json_loadfd(file, 0, NULL);
    close(file);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

void result_store_remove(const struct result_store *store, enum store_folder folder,
                         const char *name)
{
    if (store->folders[folder] >= 0)
        unlinkat(store->folders[folder], name, 0);
}

void result_store_remove_aside(const struct result_store *store, enum store_folder folder,
                               const char *name, pid_t pid)
{
    char aside[ASIDE_NAME];
    name_aside(store, name, pid, aside);
    result_store_remove(store, folder, aside);
}

bool result_store_is_running(const struct result_store *store, const char *host, long pid)
{
    char path[40], state = '?';
    if (strcmp(host, store->host) != 0 || pid <= 0 || pid == (long)getpid())
        return false;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    fclose(file);
    return state != 'Z' && state != 'X';
}

static DIR *open_entries(const struct result_store *store, enum store_folder folder)
{
    int at = openat(store->folders[folder], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = at < 0 ? NULL : fdopendir(at);
    if (!directory && at >= 0)
        close(at);
    return directory;
}

void result_store_sweep(const struct result_store *store, enum store_folder folder)
{
    char part[STORE_HOST + 8];
    DIR *directory = open_entries(store, folder);
    const struct dirent *entry;
    snprintf(part, sizeof(part), ".tmp.%s.", store->host);
    while (directory && (entry = readdir(directory))) {
        const char *found = strstr(entry->d_name, part);
        char *end = NULL;
        long pid = found ? strtol(found + strlen(part), &end, 10) : 0;
        if (pid > 0 && *end == '\0' && !result_store_is_running(store, store->host, pid))
            result_store_remove(store, folder, entry->d_name);
    }
    if (directory)
        closedir(directory);
}

/* The id within "ID.json", or false. */
static bool read_name(const char *name, char id[MANIFEST_ID_MAX + 1])
{
    static const char ending[] = ".json";
    size_t length = strlen(name), end = sizeof(ending) - 1;
    if (length <= end || length - end > MANIFEST_ID_MAX || strcmp(name + length - end, ending) != 0)
        return false;
    memcpy(id, name, length - end);
    id[length - end] = '\0';
    return manifest_is_id(id);
}

int result_store_list(const struct result_store *store, enum store_folder folder,
                      int (*found)(void *context, const char *id), void *context)
{
    char id[MANIFEST_ID_MAX + 1];
    int result = 0;
    if (store->folders[folder] < 0)
        return 0;
    DIR *directory = open_entries(store, folder);
    if (!directory)
        return -errno;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(directory)))
        if (read_name(entry->d_name, id))
            result = found(context, id);
    if (result == 0 && errno)
        result = -errno;
    closedir(directory);
    return result;
}
