// SPDX-License-Identifier: MIT
/* How far a shard is: progress/I-of-N.json, rewritten now and then, and _SUCCESS.I-of-N at its end.
 */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_SHARD_PROGRESS_H
#define HEARKEN_DAEMON_CLIENT_BATCH_SHARD_PROGRESS_H

#include "daemon/client/batch/result_store.h"
#include "daemon/client/batch/shard.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct shard_progress {
    struct shard shard;
    size_t all_items; /* of the manifest */
    size_t items;     /* of the shard */
    size_t published, failed;
    size_t before;   /* of both, those that an earlier run did */
    double seconds;  /* of sound that were recognised, by all runs */
    double worked;   /* seconds that runs have taken, without those before the first item */
    bool running;    /* a process is at it, if it has not died since then */
    int64_t updated; /* seconds since 1970 */
};

/* What earlier runs have worked on the same shard; negative: there was none. */
double shard_progress_worked(const struct result_store *store, const struct shard *shard);

/* Errors: as result_store_write. */
int shard_progress_write(const struct result_store *store, const struct shard_progress *progress,
                         struct hearken_error *error);
int shard_progress_succeed(const struct result_store *store, const struct shard_progress *progress,
                           struct hearken_error *error);

/* What a file says, which is not trusted; false: it is none. */
bool shard_progress_read(const struct result_store *store, const char *id,
                         struct shard_progress *progress);

#endif
