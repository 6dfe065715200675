// SPDX-License-Identifier: MIT
#include "daemon/client/models/model_checkpoint.h"

#include "daemon/client/models/model_download.h"
#include "daemon/client/models/model_folder.h"
#include "daemon/client/program/child_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONVERTER "hearken-convert"

static int join(const char *folder, const char *name, char *path, size_t size,
                struct hearken_error *error)
{
    int length = snprintf(path, size, "%s%s", folder, name);
    return length >= 0 && (size_t)length < size
               ? 0
               : hearken_fail(error, -ENAMETOOLONG, "%.80s...: %s", folder, strerror(ENAMETOOLONG));
}

/* ---- Converting ---- */

/* The one that is beside this program, if there is one: $PATH may have that of another version. */
static void find_converter(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size);
    char *slash = length > 0 && (size_t)length < size ? memrchr(path, '/', (size_t)length) : NULL;
    size_t room = slash ? size - (size_t)(slash + 1 - path) : 0;
    if (room > strlen(CONVERTER)) {
        memcpy(slash + 1, CONVERTER, sizeof(CONVERTER));
        if (access(path, X_OK) == 0)
            return;
    }
    snprintf(path, size, "%s", CONVERTER);
}

static int convert(const struct checkpoint_wish *wish, const char *folder,
                   struct hearken_error *error)
{
    char converter[PATH_MAX];
    find_converter(converter, sizeof(converter));
    const char *arguments[] = {converter,    "--name",    wish->entry->name,    "-o",
                               wish->target, "--license", wish->entry->licence, folder,
                               NULL};
    pid_t child;
    int status;
    int result = child_program_start((char *const *)(uintptr_t)arguments, &child);
    if (result < 0)
        return hearken_fail(error, result, "%s: %s", converter, strerror(-result));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return hearken_fail(error, -errno, "%s: %s", converter, strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return hearken_fail(error, -EIO, "%s has failed: %s is not made, its files are in %s",
                        converter, wish->entry->name, folder);
}

/* ---- From a folder of the user's ---- */

static int check_part(const char *folder, const struct index_part *part,
                      struct hearken_error *error)
{
    char path[PATH_MAX], sum[SHA256_TEXT];
    uint64_t size;
    int result = join(folder, part->name, path, sizeof(path), error);
    if (result == 0)
        result = model_folder_hash(path, sum, &size, error);
    if (result < 0)
        return result;
    if (size != part->size)
        return hearken_fail(error, -EBADMSG, "%s: has %llu bytes, expected %llu", path,
                            (unsigned long long)size, (unsigned long long)part->size);
    if (strcmp(sum, part->sha256) != 0)
        return hearken_fail(error, -EBADMSG, "%s: has the SHA-256 %s, expected %s", path, sum,
                            part->sha256);
    return 0;
}

static int take_from(const struct checkpoint_wish *wish, struct hearken_error *error)
{
    char folder[PATH_MAX];
    struct stat status;
    if (stat(wish->from, &status) < 0)
        return hearken_fail(error, -errno, "%s: %s", wish->from, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return hearken_fail(error, -ENOTDIR,
                            "%s: is a file, expected the folder with %s and others", wish->from,
                            wish->entry->parts[0].name);
    int result = join(wish->from, "/", folder, sizeof(folder), error);
    for (const struct index_part *part = wish->entry->parts; result == 0 && part->name; part++)
        result = check_part(folder, part, error);
    return result < 0 ? result : convert(wish, wish->from, error);
}

/* ---- From a server ---- */

/* Makes and opens the folder for this process alone: its descriptor. */
static int lock_folder(const char *path, struct hearken_error *error)
{
    for (;;) {
        struct stat ours, there;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
        int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (folder < 0 && errno == ENOENT)
            continue; /* another process has just finished */
        if (folder < 0)
            return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
        bool locked = flock(folder, LOCK_EX | LOCK_NB) == 0;
        if (locked && fstat(folder, &ours) == 0 && stat(path, &there) == 0 &&
            ours.st_ino == there.st_ino)
            return folder;
        close(folder);
        if (!locked)
            return hearken_fail(error, -EBUSY, "%s: another hearken is getting it", path);
    }
}

/* A part that is there and right is not got again. */
static int get_part(const struct checkpoint_wish *wish, const char *folder,
                    const struct index_part *part, struct hearken_error *error)
{
    char target[PATH_MAX], addresses[INDEX_ADDRESSES_MAX][PATH_MAX];
    const char *list[INDEX_ADDRESSES_MAX + 1] = {NULL};
    struct hearken_error none;
    if (check_part(folder, part, &none) == 0)
        return 0;
    int result = join(folder, part->name, target, sizeof(target), error);
    for (size_t i = 0; result == 0 && i < INDEX_ADDRESSES_MAX && wish->addresses[i]; i++) {
        result = join(wish->addresses[i], part->name, addresses[i], PATH_MAX, error);
        list[i] = addresses[i];
    }
    if (result < 0)
        return result;
    struct download download = {
        .addresses = list,
        .target = target,
        .size = part->size,
        .sha256 = part->sha256,
        .part = true,
        .quiet = wish->quiet,
    };
    return model_download(&download, error);
}

static void remove_parts(const struct index_entry *entry, const char *folder)
{
    char path[PATH_MAX];
    struct hearken_error none;
    for (const struct index_part *part = entry->parts; part->name; part++)
        if (join(folder, part->name, path, sizeof(path), &none) == 0)
            unlink(path);
    rmdir(folder);
}

int model_checkpoint_get(const struct checkpoint_wish *wish, struct hearken_error *error)
{
    char folder[PATH_MAX];
    if (wish->from)
        return take_from(wish, error);
    int result = join(wish->target, ".parts/", folder, sizeof(folder), error);
    if (result < 0)
        return result;
    int descriptor = lock_folder(folder, error);
    if (descriptor < 0)
        return descriptor;
    for (const struct index_part *part = wish->entry->parts; result == 0 && part->name; part++)
        result = get_part(wish, folder, part, error);
    if (result == 0)
        result = convert(wish, folder, error);
    if (result == 0)
        remove_parts(wish->entry, folder);
    else
        rmdir(folder); /* if nothing has come */
    close(descriptor);
    return result;
}
