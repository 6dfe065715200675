// SPDX-License-Identifier: MIT
/*
 * What can be made again, kept on disk: the kernels that a driver compiled, and what the probes of
 * plugins found. A cache is only a lost speed-up: whatever is wrong with it, do without.
 *
 * A file is named after its kind and the hash of its key, and holds the whole key, the data and a
 * checksum. Drivers execute what is read, so only a regular file of our own, which nobody else may
 * write to, is believed. Files are written beside their place and renamed: readers see all or
 * nothing.
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
 * ~/.cache/hearken. The caller frees it; NULL: there is no home, the environment is another user's
 * (a set-user-ID program), or no memory.
 */
char *cache_folder(void);

/*
 * What was stored under `key`, of a kind ("opencl", a part of the file's name): `data` of `size`
 * bytes, which the caller frees. -ENOENT if there is nothing, -EBADMSG if it is damaged or of
 * another key, -EPERM if it is not ours alone, -ENOMEM, or what the system says.
 */
int cache_read(const char *folder, const char *kind, const char *key, void **data, size_t *size);

/* Makes the folder, if need be, and replaces what is there. 0 or a negative errno. */
int cache_write(const char *folder, const char *kind, const char *key, const void *data,
                size_t size);

/* Takes out what may be there. */
void cache_remove(const char *folder, const char *kind, const char *key);

#endif
