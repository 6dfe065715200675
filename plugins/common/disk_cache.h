// SPDX-License-Identifier: MIT
/*
 * An on-disk cache of what can be computed again: compiled kernels of drivers and results of plugin
 * probes. A cache that cannot be used costs only time, so callers continue without it.
 *
 * A file's name is its kind and the hash of its key; it holds the whole key, the data and a
 * checksum. Drivers execute the data, so a file is used only if it is a regular file of this user
 * that nobody else may write to. A file is written under a temporary name and renamed, so that
 * readers see all of it or nothing.
 */
#ifndef HEARKEN_PLUGINS_COMMON_DISK_CACHE_H
#define HEARKEN_PLUGINS_COMMON_DISK_CACHE_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits; to hash several pieces, pass what the last call returned. */
uint64_t cache_hash(uint64_t hash, const void *data, size_t size);

#define CACHE_HASH_START 0xcbf29ce484222325u

/*
 * The folder: $CACHE_DIRECTORY, which systemd sets for a service, or $XDG_CACHE_HOME/hearken, or
 * ~/.cache/hearken. The caller frees it. NULL if none is set, in a set-user-ID program (where the
 * environment belongs to another user), or if out of memory.
 */
char *cache_folder(void);

/*
 * Reads the entry of `key`; `kind` ("opencl") is a part of the file's name. The caller frees
 * `data` [size bytes]. Errors: -ENOENT if there is none, -EBADMSG if the file is damaged or holds
 * another key, -EPERM if others own it or may write to it, -ENOMEM, the system's.
 */
int cache_read(const char *folder, const char *kind, const char *key, void **data, size_t *size);

/* Writes or replaces the entry of `key`, and makes the folder if necessary. 0 or a negative
 * errno. */
int cache_write(const char *folder, const char *kind, const char *key, const void *data,
                size_t size);

/* Removes the entry of `key`, if there is one. */
void cache_remove(const char *folder, const char *kind, const char *key);

#endif
