// SPDX-License-Identifier: MIT
/* Which recordings of a manifest are whose: each shard finds its own, and all of them together
 * have each once. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_SHARD_H
#define HEARKEN_DAEMON_CLIENT_BATCH_SHARD_H

#include "daemon/client/batch/manifest.h"

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>

#define SHARDS_MAX 100000u

struct shard {
    unsigned number; /* 1..count */
    unsigned count;
};

/* "3/40". Errors: -EINVAL. */
int shard_parse(const char *text, struct shard *shard, struct hearken_error *error);

/*
 * From what a scheduler says of an array job: SLURM_ARRAY_TASK_ID with _COUNT, _MIN, _MAX and
 * _STEP, or JOB_COMPLETION_INDEX, which counts from 0. `count` is that of the command line; 0:
 * Slurm's. Without such variables it is 1/1. Errors: -EINVAL.
 */
int shard_from_environment(unsigned count, struct shard *shard, struct hearken_error *error);

/* What dealing gave each shard. */
struct shard_load {
    size_t items;
    uint64_t bytes;
};

/*
 * Deals the recordings, longest first, each to the shard that has the fewest bytes so far; those of
 * unknown length count as an average one. `owners` [count]: the shard of each item, from 1; `order`
 * [count]: the items, longest first; `loads` [shards] or NULL. The result depends on the manifest
 * alone. Errors: -ENOMEM.
 */
int shard_deal(const struct manifest *manifest, unsigned shards, unsigned *owners, size_t *order,
               struct shard_load *loads);

#endif
