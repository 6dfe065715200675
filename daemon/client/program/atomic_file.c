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

#define ATTEMPTS   16 /* at a name that nobody has */
#define LINKS_MAX  40 /* as many as the kernel follows */
#define COPY_BYTES (64u * 1024)

static int fail(const char *path, int code, struct hearken_error *error)
{
    return hearken_fail(error, code, "%.400s: %s", path, strerror(-code));
}

/* ---- Where a path leads ---- */

/* Length of the directory with its slash; 0: the current one. */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* A descriptor of ours that the path stands for; -1: none. */
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

/* Follows links to what they end at, be it there or not; one to a descriptor of ours stays. */
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

/* Opens a new file in the directory of `target`: readable again, for a copy of it may be needed. */
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

/* A file without a name, as large as the temporary directory allows. */
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

/* The new file is its user's alone until here. A group that it cannot be given to gets no right
 * that not everybody has. */
static void keep_access(int descriptor, const struct stat *old)
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
        return; /* a file system without modes */
}

static bool takes_no_file(int code)
{
    return code == -EACCES || code == -EPERM || code == -EROFS;
}

/* `old` NULL: there is none yet. */
static int open_aside(struct atomic_file *file, const struct stat *old)
{
    int result = open_beside(file->target, old ? 0600 : 0666, &file->temporary);
    if (old && takes_no_file(result))
        result = open_nameless();
    else if (old && result >= 0)
        keep_access(result, old);
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
    bool there = stat(target, &state) == 0;
    if (there && !S_ISREG(state.st_mode)) {
        result = open(target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return result < 0 ? -errno : result;
    }
    file->target = strdup(target);
    return file->target ? open_aside(file, there ? &state : NULL) : -ENOMEM;
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

/* ---- The end ---- */

/* The last resort: a folder that takes no new file, or a file that is mounted by itself. */
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
    /* A name must not come to lead to bytes that a full or a failing disk has not taken. */
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
