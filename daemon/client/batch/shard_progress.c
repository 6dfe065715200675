// SPDX-License-Identifier: MIT
#include "daemon/client/batch/shard_progress.h"

#include "daemon/common/peer_value.h"

#include <stdio.h>
#include <time.h>

#define ITEMS_MAX ((uint64_t)1 << 40)

static void name_shard(const struct shard *shard, char name[STORE_NAME], const char *format)
{
    snprintf(name, STORE_NAME, format, shard->number, shard->count);
}

static json_t *describe(const struct shard_progress *progress)
{
    return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:I}", "shard",
                     (int)progress->shard.number, "shards", (int)progress->shard.count, "all_items",
                     (json_int_t)progress->all_items, "items", (json_int_t)progress->items,
                     "published", (json_int_t)progress->published, "failed",
                     (json_int_t)progress->failed, "before", (json_int_t)progress->before,
                     "seconds", progress->seconds, "worked", progress->worked, "running",
                     (int)progress->running, "updated", (json_int_t)time(NULL));
}

int shard_progress_write(const struct result_store *store, const struct shard_progress *progress,
                         struct hearken_error *error)
{
    char name[STORE_NAME];
    name_shard(&progress->shard, name, "%u-of-%u.json");
    return result_store_write_json(store, STORE_PROGRESS, name, describe(progress), error);
}

int shard_progress_succeed(const struct result_store *store, const struct shard_progress *progress,
                           struct hearken_error *error)
{
    char name[STORE_NAME];
    name_shard(&progress->shard, name, "_SUCCESS.%u-of-%u");
    return result_store_write_json(store, STORE_RESULTS, name, describe(progress), error);
}

bool shard_progress_read(const struct result_store *store, const char *id,
                         struct shard_progress *progress)
{
    char name[STORE_NAME];
    result_store_name(id, name);
    json_t *object = result_store_read(store, STORE_PROGRESS, name);
    *progress = (struct shard_progress){
        .shard = {(unsigned)peer_count(object, "shard", SHARDS_MAX),
                  (unsigned)peer_count(object, "shards", SHARDS_MAX)},
        .all_items = peer_count(object, "all_items", ITEMS_MAX),
        .items = peer_count(object, "items", ITEMS_MAX),
        .published = peer_count(object, "published", ITEMS_MAX),
        .failed = peer_count(object, "failed", ITEMS_MAX),
        .before = peer_count(object, "before", ITEMS_MAX),
        .seconds = peer_number(object, "seconds", 0, 1e15),
        .worked = peer_number(object, "worked", 0, 1e15),
        .running = json_is_true(json_object_get(object, "running")),
        .updated = (int64_t)peer_count(object, "updated", INT64_MAX),
    };
    bool found = object && progress->shard.count > 0;
    json_decref(object);
    return found;
}

double shard_progress_worked(const struct result_store *store, const struct shard *shard)
{
    struct shard_progress progress;
    char id[STORE_NAME];
    name_shard(shard, id, "%u-of-%u");
    return shard_progress_read(store, id, &progress) ? progress.worked : -1;
}
