// SPDX-License-Identifier: MIT
/*
 * Compiled programs on disk, so that a driver need not compile again. A cache is only a lost
 * speed-up: whatever is wrong with it, the program is compiled from its source.
 *
 * A file is named after the hash of its key, and holds the whole key, the data and a checksum. The
 * driver executes what is read, so only a regular file of our own, which nobody else may write to,
 * is believed. Files are written beside their place and renamed: readers see all or nothing.
 */
#ifndef HEARKEN_OPENCL_PROGRAM_CACHE_H
#define HEARKEN_OPENCL_PROGRAM_CACHE_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits; to hash several pieces, pass what the last call returned. */
uint64_t program_cache_hash(uint64_t hash, const void *data, size_t size);

#define PROGRAM_CACHE_HASH_START 0xcbf29ce484222325u

/*
 * The folder: $XDG_CACHE_HOME/hearken, or ~/.cache/hearken. The caller frees it; NULL: there is no
 * home, or no memory.
 */
char *program_cache_folder(void);

/*
 * What was stored under `key`: `data` of `size` bytes, which the caller frees. -ENOENT if there is
 * nothing, -EBADMSG if it is damaged or of another key, -EPERM if it is not ours alone, -ENOMEM, or
 * what the system says.
 */
int program_cache_read(const char *folder, const char *key, void **data, size_t *size);

/* Makes the folder, if need be, and replaces what is there. 0 or a negative errno. */
int program_cache_write(const char *folder, const char *key, const void *data, size_t size);

#endif
