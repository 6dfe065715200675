// SPDX-License-Identifier: MIT
#ifndef HEARKEN_INTERNAL_UNLINKED_FILE_H
#define HEARKEN_INTERNAL_UNLINKED_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Opens a temporary file without a name in $TMPDIR or /tmp. Tries O_TMPFILE, which not every file
 * system supports, then a named file that is unlinked at once; memory last. Returns a descriptor or
 * a negative errno.
 */
static inline int unlinked_file_open(void)
{
    const char *directory = secure_getenv("TMPDIR");
    if (!directory || directory[0] == '\0')
        directory = "/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/hearken-XXXXXX", directory);
    if (length > 0 && (size_t)length < sizeof(path)) {
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            unlink(path);
            return fd;
        }
    }
    fd = memfd_create("hearken-spool", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

#endif
