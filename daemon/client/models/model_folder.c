// SPDX-License-Identifier: MIT
#include "daemon/client/models/model_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

char *model_folder_file(const char *name, char *path, size_t size)
{
    char folder[PATH_MAX];
    int length = hearken_models_folder(folder, sizeof(folder))
                     ? snprintf(path, size, "%s/%s", folder, name)
                     : -1;
    return length >= 0 && (size_t)length < size ? path : NULL;
}

char *model_folder_find(const char *name, char *path, size_t size)
{
    return hearken_find_model(name, path, size) && access(path, F_OK) == 0 ? path : NULL;
}

int model_folder_make(struct hearken_error *error)
{
    char folder[PATH_MAX];
    if (!hearken_models_folder(folder, sizeof(folder)))
        return hearken_fail(error, -ENOENT,
                            "no folder for models: neither HOME nor HEARKEN_MODEL_PATH is set");
    for (char *at = folder + 1;; at++) {
        char end = *at;
        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
            return hearken_fail(error, -errno, "%s: %s", folder, strerror(errno));
        *at = end;
        if (end == '\0')
            break;
    }
    return 0;
}

int model_folder_hash(const char *path, char sha256[SHA256_TEXT], uint64_t *size,
                      struct hearken_error *error)
{
    crypto_hash_sha256_state state;
    unsigned char sum[crypto_hash_sha256_BYTES], block[BLOCK_BYTES];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : 1;
    *size = 0;
    crypto_hash_sha256_init(&state);
    while (count > 0 && (count = read(file, block, sizeof(block))) > 0) {
        crypto_hash_sha256_update(&state, block, (unsigned long long)count);
        *size += (uint64_t)count;
    }
    int result = count < 0 ? -errno : 0;
    if (file >= 0)
        close(file);
    if (result < 0)
        return hearken_fail(error, result, "%s: %s", path, strerror(-result));
    crypto_hash_sha256_final(&state, sum);
    sodium_bin2hex(sha256, SHA256_TEXT, sum, sizeof(sum));
    return 0;
}

bool model_folder_is_model(const void *bytes, size_t size)
{
    return size >= 4 && (memcmp(bytes, "GGUF", 4) == 0 || memcmp(bytes, "lmgg", 4) == 0);
}
