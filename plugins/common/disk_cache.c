// SPDX-License-Identifier: MIT
#include "plugins/common/disk_cache.h"

#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the byte order of the machine that writes and reads it. */
struct header {
    char magic[8];
    uint64_t key_size, data_size;
    uint64_t checksum; /* of key and data */
};

static const char magic[8] = "hearken1";
static const uint64_t max_bytes = 256u << 20; /* of a file; larger ones are invalid */

uint64_t cache_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

char *cache_folder(void)
{
    const char *service = secure_getenv("CACHE_DIRECTORY"); /* a list separated by colons */
    const char *cache = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    char *folder = NULL;
    int length = -1;

    /* The XDG Base Directory Specification requires relative paths to be ignored. */
    if (service && service[0] == '/')
        length = asprintf(&folder, "%.*s", (int)strcspn(service, ":"), service);
    else if (cache && cache[0] == '/')
        length = asprintf(&folder, "%s/hearken", cache);
    else if (home && home[0] == '/')
        length = asprintf(&folder, "%s/.cache/hearken", home);
    return length < 0 ? NULL : folder;
}

static char *path_of(const char *folder, const char *kind, const char *key)
{
    const uint64_t hash = cache_hash(CACHE_HASH_START, key, strlen(key));
    char *path;

    return asprintf(&path, "%s/%s-%016" PRIx64 ".bin", folder, kind, hash) < 0 ? NULL : path;
}

static uint64_t checksum_of(const char *key, const void *data, size_t size)
{
    return cache_hash(cache_hash(CACHE_HASH_START, key, strlen(key)), data, size);
}

/* ---- Reading ---- */

static int read_all(int file, void *to, size_t size)
{
    char *at = to;

    while (size > 0) {
        const ssize_t got = read(file, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EBADMSG; /* truncated */
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

static int check_ownership(const struct stat *status)
{
    if (!S_ISREG(status->st_mode) || status->st_uid != geteuid() ||
        (status->st_mode & (S_IWGRP | S_IWOTH)))
        return -EPERM;
    return 0;
}

/* Reads and checks the key, then the data. */
static int read_content(int file, const struct header *header, const char *key, void **data)
{
    const size_t key_size = strlen(key), size = (size_t)header->data_size;
    char *stored = malloc(key_size + 1), *made = malloc(size ? size : 1);
    int result = -ENOMEM;

    if (stored && made)
        result = read_all(file, stored, key_size);
    if (!result && memcmp(stored, key, key_size) != 0)
        result = -EBADMSG;
    if (!result)
        result = read_all(file, made, size);
    if (!result && checksum_of(key, made, size) != header->checksum)
        result = -EBADMSG;
    free(stored);
    if (result)
        free(made);
    else
        *data = made;
    return result;
}

static int read_file(int file, const char *key, void **data, size_t *size)
{
    struct header header;
    struct stat status;

    if (fstat(file, &status) < 0)
        return -errno;
    int result = check_ownership(&status);
    if (!result)
        result = read_all(file, &header, sizeof(header));
    if (result)
        return result;
    const uint64_t bytes = (uint64_t)status.st_size;
    if (memcmp(header.magic, magic, sizeof(magic)) != 0 || bytes > max_bytes ||
        header.key_size != strlen(key) || header.data_size > bytes ||
        bytes != sizeof(header) + header.key_size + header.data_size)
        return -EBADMSG;
    result = read_content(file, &header, key, data);
    if (!result)
        *size = (size_t)header.data_size;
    return result;
}

int cache_read(const char *folder, const char *kind, const char *key, void **data, size_t *size)
{
    char *path = path_of(folder, kind, key);

    if (!path)
        return -ENOMEM;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int result = file < 0 ? -errno : 0;
    free(path);
    if (result)
        return result == -ELOOP ? -EPERM : result;
    result = read_file(file, key, data, size);
    close(file);
    return result;
}

/* ---- Writing ---- */

/* Makes the folder and its parent, if they do not exist. */
static int make_folder(const char *folder)
{
    char *outer = strdup(folder);

    if (!outer)
        return -ENOMEM;
    char *slash = strrchr(outer, '/');
    if (slash && slash != outer) {
        *slash = 0;
        mkdir(outer, 0700);
    }
    free(outer);
    return mkdir(folder, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_file(int file, const char *key, const void *data, size_t size)
{
    struct header header = {
        .key_size = strlen(key), .data_size = size, .checksum = checksum_of(key, data, size)};

    memcpy(header.magic, magic, sizeof(magic));
    int result = write_all(file, &header, sizeof(header));
    if (!result)
        result = write_all(file, key, header.key_size);
    if (!result)
        result = write_all(file, data, size);
    return result;
}

/* Writes a temporary file and renames it to `path`. */
static int replace(const char *path, const char *key, const void *data, size_t size)
{
    char *temporary;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    const int file = mkostemp(temporary, O_CLOEXEC);
    int result = file < 0 ? -errno : 0;
    if (!result) {
        result = write_file(file, key, data, size);
        if (close(file) < 0 && !result)
            result = -errno;
        if (!result && rename(temporary, path) < 0)
            result = -errno;
        if (result)
            unlink(temporary);
    }
    free(temporary);
    return result;
}

int cache_write(const char *folder, const char *kind, const char *key, const void *data,
                size_t size)
{
    int result = make_folder(folder);

    if (result)
        return result;
    char *path = path_of(folder, kind, key);
    if (!path)
        return -ENOMEM;
    result = replace(path, key, data, size);
    free(path);
    return result;
}

void cache_remove(const char *folder, const char *kind, const char *key)
{
    char *path = path_of(folder, kind, key);

    if (path)
        unlink(path);
    free(path);
}
