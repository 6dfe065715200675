// SPDX-License-Identifier: MIT
#include "models/file/file_copy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Reads go in steps of this size, since callers request a file piece by piece. */
#define STEP ((size_t)256 << 10)

int file_copy_start(struct file_copy *copy, int file, const char *expected,
                    struct hearken_error *error)
{
    *copy = (struct file_copy){.file = file};
    if (fstat(file, &copy->status) < 0)
        return hearken_fail(error, -errno, "%s", strerror(errno));
    if (!S_ISREG(copy->status.st_mode))
        return hearken_fail(error, -EINVAL, "not a regular file");
    if (copy->status.st_size == 0)
        return hearken_fail(error, -EINVAL, "empty, expected %s", expected);
    size_t size = (size_t)copy->status.st_size;
    /* MAP_NORESERVE: a sparse file may claim a size far beyond the memory. */
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return hearken_fail(error, -ENOMEM, "no memory for %zu bytes", size);
    copy->data = data;
    copy->size = size;
    return 0;
}

int file_copy_read(struct file_copy *copy, size_t size, struct hearken_error *error)
{
    if (size <= copy->read)
        return 0;
    size_t end = copy->size - copy->read < STEP ? copy->size : copy->read + STEP;
    end = end > size ? end : size;
    while (copy->read < end) {
        ssize_t got =
            pread(copy->file, copy->data + copy->read, end - copy->read, (off_t)copy->read);
        if (got > 0)
            copy->read += (size_t)got;
        else if (got == 0)
            return hearken_fail(error, -EIO,
                                "cut short while it was read: %zu of %zu bytes are left",
                                copy->read, copy->size);
        else if (errno != EINTR)
            return hearken_fail(error, -errno, "%s", strerror(errno));
    }
    return 0;
}

int file_copy_check(const struct file_copy *copy, struct hearken_error *error)
{
    struct stat now;
    const struct timespec *then = &copy->status.st_mtim;
    if (fstat(copy->file, &now) < 0)
        return hearken_fail(error, -errno, "%s", strerror(errno));
    if (now.st_size == copy->status.st_size && now.st_mtim.tv_sec == then->tv_sec &&
        now.st_mtim.tv_nsec == then->tv_nsec)
        return 0;
    return hearken_fail(error, -EIO, "written to while it was read");
}

void file_copy_finish(struct file_copy *copy)
{
    if (copy->data)
        munmap(copy->data, copy->size);
    *copy = (struct file_copy){.file = -1};
}
