// SPDX-License-Identifier: MIT
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 16 /* at a name that nobody has */

static int fail(const char *path, int code, struct hearken_error *error)
{
    return hearken_fail(error, code, "%.400s: %s", path, strerror(-code));
}

static int write_all(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(descriptor, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

static int write_and_close(int descriptor, const void *bytes, size_t length)
{
    int result = write_all(descriptor, bytes, length);
    if (close(descriptor) < 0 && result == 0)
        result = -errno;
    return result;
}

/* ---- A file that takes the name of another ---- */

/* Length of the directory with its slash; 0: the current one. */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* Opens a new file in the directory of `path` and tells its name. */
static int open_beside(const char *path, char name[PATH_MAX])
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t number;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return -EIO;
        int length = snprintf(name, PATH_MAX, "%.*s.hearken-%016llx", directory_length(path), path,
                              (unsigned long long)number);
        if (length >= PATH_MAX)
            return -ENAMETOOLONG;
        int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST)
            return descriptor < 0 ? -errno : descriptor;
    }
    return -EEXIST;
}

/* `mode` of the file that is replaced; 0: there is none. */
static int replace(const char *path, mode_t mode, const void *bytes, size_t length)
{
    char name[PATH_MAX];
    int descriptor = open_beside(path, name);
    if (descriptor < 0)
        return descriptor;
    int result = mode && fchmod(descriptor, mode & 0777) < 0 ? -errno : 0;
    int written = write_and_close(descriptor, bytes, result == 0 ? length : 0);
    if (result == 0)
        result = written;
    if (result == 0 && rename(name, path) < 0)
        result = -errno;
    if (result < 0)
        unlink(name);
    return result;
}

int atomic_file_write(const char *path, const void *bytes, size_t length,
                      struct hearken_error *error)
{
    struct stat state;
    bool there = stat(path, &state) == 0;
    int result;
    if (there && !S_ISREG(state.st_mode)) {
        int descriptor = open(path, O_WRONLY | O_CLOEXEC);
        result = descriptor < 0 ? -errno : write_and_close(descriptor, bytes, length);
    } else {
        char *real = there ? realpath(path, NULL) : NULL;
        result = replace(real ? real : path, there ? state.st_mode : 0, bytes, length);
        free(real);
    }
    return result < 0 ? fail(path, result, error) : 0;
}

int atomic_file_check(const char *path, struct hearken_error *error)
{
    struct stat state;
    char directory[PATH_MAX];
    if (strlen(path) >= sizeof(directory))
        return fail(path, -ENAMETOOLONG, error);
    if (stat(path, &state) == 0) {
        if (S_ISDIR(state.st_mode))
            return fail(path, -EISDIR, error);
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? fail(path, -errno, error) : 0;
    }
    int length = directory_length(path);
    snprintf(directory, sizeof(directory), "%.*s", length ? length : 1, length ? path : ".");
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0)
        return fail(path, -errno, error);
    return 0;
}
