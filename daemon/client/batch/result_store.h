// SPDX-License-Identifier: MIT
/*
 * The folder of a batch's results. Several processes and machines may use it at once: nothing is
 * locked, and a file appears whole or not at all.
 *
 *     ID.json              the result of a recording
 *     failed/ID.json       why there is none
 *     attempts/ID          how often somebody began with it (attempts.h)
 *     partial/ID.json      what there is of a long one
 *     progress/I-of-N.json how far a shard is
 *     _SUCCESS.I-of-N      that a shard is done
 */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_RESULT_STORE_H
#define HEARKEN_DAEMON_CLIENT_BATCH_RESULT_STORE_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum store_folder { STORE_RESULTS, STORE_FAILED, STORE_ATTEMPTS, STORE_PARTIAL, STORE_PROGRESS };

#define STORE_FOLDERS 5
#define STORE_HOST    65 /* bytes of a host's name, cut if it is longer */

struct result_store {
    const char *path;           /* the caller's */
    int folders[STORE_FOLDERS]; /* descriptors; -1: not open */
    char host[STORE_HOST];      /* letters, digits and .-_ */
};

/* `create`: makes the folders that are missing; otherwise those within may be missing. The caller
 * closes the store in any case. Errors: the system's. */
int result_store_open(struct result_store *store, const char *path, bool create,
                      struct hearken_error *error);
void result_store_close(struct result_store *store);

/*
 * Writes a file aside, as NAME.tmp.HOST.PID, and has it on the disk before it gets its name. That
 * the name is there, too, needs result_store_sync(). One name at a time in one process. Errors: the
 * system's.
 */
int result_store_write(const struct result_store *store, enum store_folder folder, const char *name,
                       const char *bytes, size_t length, struct hearken_error *error);

/* The same, of an object, whose reference it takes over; NULL: no memory. */
int result_store_write_json(const struct result_store *store, enum store_folder folder,
                            const char *name, json_t *object, struct hearken_error *error);

/* Has all names that were given on the disk: nobody does again what is said to be done. Errors: the
 * system's. */
int result_store_sync(const struct result_store *store, struct hearken_error *error);

/* The object in a file; NULL: there is no such file, or no object in it. */
json_t *result_store_read(const struct result_store *store, enum store_folder folder,
                          const char *name);

/* Removes a file; it is no error if there is none. */
void result_store_remove(const struct result_store *store, enum store_folder folder,
                         const char *name);

/* Whether another process is still at work, and not only waited for. Of another machine's nothing
 * is known: false. */
bool result_store_is_running(const struct result_store *store, const char *host, long pid);

/* What all processes of this machine that have died left aside. Reads the whole folder. */
void result_store_sweep(const struct result_store *store, enum store_folder folder);

/* What a process of this machine that has died left of NAME. */
void result_store_remove_aside(const struct result_store *store, enum store_folder folder,
                               const char *name, pid_t pid);

/* "ID.json" */
#define STORE_NAME 160
void result_store_name(const char *id, char name[STORE_NAME]);

/* Calls `found` with the id of each ID.json in a folder, in no order; a negative errno from it ends
 * that. Returns it, or the system's. A folder that is not open has none. */
int result_store_list(const struct result_store *store, enum store_folder folder,
                      int (*found)(void *context, const char *id), void *context);

#endif
