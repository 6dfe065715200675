// SPDX-License-Identifier: MIT
#include "daemon/client/program/atomic_file.h"

#include "include/internal/write_all.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS   16 /* to find an unused name */
#define LINKS_MAX  40 /* the kernel's limit */
#define COPY_BYTES (64u * 1024)

static int fail(const char *path, int code, struct hearken_error *error)
{
    return hearken_fail(error, code, "%.400s: %s", path, strerror(-code));
}

/* ---- Resolving a path ---- */

/* Length of the directory with its slash; 0: the current one. */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* The descriptor of this process that the path names; -1: none. */
static int own_descriptor(const char *path)
{
    static const char *const folders[] = {"/proc/self/fd/", "/dev/fd/"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t length = strlen(folders[i]);
        if (strncmp(path, folders[i], length) == 0 && isdigit((unsigned char)path[length]))
            return atoi(path + length);
    }
    return -1;
}

/* Follows symbolic links, except those to a descriptor of this process. The target need not exist.
 */
static int resolve(const char *path, char target[PATH_MAX])
{
    char link[PATH_MAX], joined[2 * PATH_MAX];
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(target, path);
    for (int i = 0; i < LINKS_MAX; i++) {
        ssize_t length =
            own_descriptor(target) >= 0 ? -1 : readlink(target, link, sizeof(link) - 1);
        if (length < 0)
            return 0;
        link[length] = '\0';
        snprintf(joined, sizeof(joined), "%.*s%s", link[0] == '/' ? 0 : directory_length(target),
                 target, link);
        if (strlen(joined) >= PATH_MAX)
            return -ENAMETOOLONG;
        strcpy(target, joined);
    }
    return -ELOOP;
}

static int check(const char *target)
{
    struct stat state;
    char directory[PATH_MAX];
    if (stat(target, &state) == 0) {
        if (S_ISDIR(state.st_mode))
            return -EISDIR;
        return faccessat(AT_FDCWD, target, W_OK, AT_EACCESS) < 0 ? -errno : 0;
    }
    if (errno != ENOENT)
        return -errno;
    int length = directory_length(target);
    snprintf(directory, sizeof(directory), "%.*s", length ? length : 1, length ? target : ".");
    return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int atomic_file_check(const char *path, struct hearken_error *error)
{
    char target[PATH_MAX];
    int result = resolve(path, target);
    if (result == 0 && own_descriptor(target) < 0)
        result = check(target);
    return result < 0 ? fail(path, result, error) : 0;
}

/* ---- Opening ---- */

/* Creates a file in the directory of `target`. Readable, as overwrite() may have to copy it. */
static int open_beside(const char *target, mode_t mode, char **name)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t number;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return -EIO;
        if (asprintf(name, "%.*s.hearken-%016llx", directory_length(target), target,
                     (unsigned long long)number) < 0) {
            *name = NULL;
            return -ENOMEM;
        }
        int descriptor = open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        int code = -errno;
        if (descriptor >= 0)
            return descriptor;
        free(*name);
        *name = NULL;
        if (code != -EEXIST)
            return code;
    }
    return -EEXIST;
}

/* A file without a name, in the system's directory for temporary files. */
static int open_nameless(void)
{
    FILE *file = tmpfile();
    if (!file)
        return -errno;
    int descriptor = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
    int code = -errno;
    fclose(file);
    return descriptor < 0 ? code : descriptor;
}

/* Until now only the owner may access the new file. If its group cannot be changed, the group gets
 * only the rights that all users have. */
static void copy_permissions(int descriptor, const struct stat *old)
{
    struct stat made;
    mode_t mode = old->st_mode & 0777;
    if (fstat(descriptor, &made) < 0)
        return;
    bool same = made.st_uid == old->st_uid && made.st_gid == old->st_gid;
    if (!same && fchown(descriptor, old->st_uid, old->st_gid) < 0 && made.st_gid != old->st_gid &&
        fchown(descriptor, (uid_t)-1, old->st_gid) < 0)
        mode &= ~(mode_t)070 | (mode & 07) << 3;
    if (fchmod(descriptor, mode) < 0)
        return; /* the file system has no modes */
}

static bool cannot_create(int code)
{
    return code == -EACCES || code == -EPERM || code == -EROFS;
}

/* `old` NULL: the target does not exist. */
static int open_temporary(struct atomic_file *file, const struct stat *old)
{
    int result = open_beside(file->target, old ? 0600 : 0666, &file->temporary);
    if (old && cannot_create(result))
        result = open_nameless();
    else if (old && result >= 0)
        copy_permissions(result, old);
    return result;
}

static int open_target(struct atomic_file *file, const char *target)
{
    struct stat state;
    int own = own_descriptor(target), result = 0;
    if (own >= 0) {
        result = fcntl(own, F_DUPFD_CLOEXEC, 0);
        return result < 0 ? -errno : result;
    }
    result = check(target);
    if (result < 0)
        return result;
    bool exists = stat(target, &state) == 0;
    if (exists && !S_ISREG(state.st_mode)) {
        result = open(target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return result < 0 ? -errno : result;
    }
    file->target = strdup(target);
    return file->target ? open_temporary(file, exists ? &state : NULL) : -ENOMEM;
}

int atomic_file_open(struct atomic_file *file, const char *path, struct hearken_error *error)
{
    char target[PATH_MAX];
    *file = (struct atomic_file){.descriptor = -1, .name = path};
    int result = resolve(path, target);
    if (result == 0)
        result = open_target(file, target);
    if (result < 0) {
        atomic_file_discard(file);
        return fail(path, result, error);
    }
    file->descriptor = result;
    return 0;
}

/* ---- Committing ---- */

/* Not atomic: for a directory that does not allow a new file, and a target that is a mount point.
 */
static int overwrite(const struct atomic_file *file)
{
    char bytes[COPY_BYTES];
    off_t at = 0;
    int target = open(file->target, O_WRONLY | O_TRUNC | O_CLOEXEC), result = 0;
    if (target < 0)
        return -errno;
    while (result == 0) {
        ssize_t got = pread(file->descriptor, bytes, sizeof(bytes), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            result = got < 0 ? -errno : 0;
            break;
        }
        at += got;
        result = write_all(target, bytes, (size_t)got);
    }
    if (close(target) < 0 && result == 0)
        result = -errno;
    return result;
}

static int replace(struct atomic_file *file)
{
    /* The data must be on disk before the name refers to it. */
    if (fsync(file->descriptor) < 0 && errno != EINVAL && errno != EROFS && errno != ENOSYS)
        return -errno;
    if (rename(file->temporary, file->target) < 0)
        return errno == EBUSY ? overwrite(file) : -errno;
    free(file->temporary);
    file->temporary = NULL;
    return 0;
}

int atomic_file_commit(struct atomic_file *file, struct hearken_error *error)
{
    const char *name = file->name;
    int result = 0;
    if (file->temporary)
        result = replace(file);
    else if (file->target)
        result = overwrite(file);
    if (close(file->descriptor) < 0 && result == 0)
        result = -errno;
    file->descriptor = -1;
    atomic_file_discard(file);
    return result < 0 ? fail(name, result, error) : 0;
}

void atomic_file_discard(struct atomic_file *file)
{
    if (file->temporary)
        unlink(file->temporary);
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file->temporary);
    free(file->target);
    *file = (struct atomic_file){.descriptor = -1};
}

int atomic_file_write(const char *path, const void *bytes, size_t length,
                      struct hearken_error *error)
{
    struct atomic_file file;
    int result = atomic_file_open(&file, path, error);
    if (result < 0)
        return result;
    result = write_all(file.descriptor, bytes, length);
    if (result == 0)
        return atomic_file_commit(&file, error);
    atomic_file_discard(&file);
    return fail(path, result, error);
}
