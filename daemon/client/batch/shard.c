// SPDX-License-Identifier: MIT
#include "daemon/client/batch/shard.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A whole number that ends at `end`. */
static bool read_count(const char *text, char end, unsigned long most, unsigned long *number,
                       const char **rest)
{
    char *after;
    errno = 0;
    *number = strtoul(text, &after, 10);
    *rest = after;
    return isdigit((unsigned char)*text) && errno == 0 && *after == end && *number <= most;
}

int shard_parse(const char *text, struct shard *shard, struct hearken_error *error)
{
    unsigned long number, count;
    const char *rest;
    if (!read_count(text, '/', SHARDS_MAX, &number, &rest) ||
        !read_count(rest + 1, '\0', SHARDS_MAX, &count, &rest) || number < 1 || number > count)
        return hearken_fail(error, -EINVAL, "%.60s: expected I/N with 1 <= I <= N <= %u", text,
                            SHARDS_MAX);
    *shard = (struct shard){(unsigned)number, (unsigned)count};
    return 0;
}

/* A number of the environment. Returns 1, 0 if there is none, or -EINVAL. */
static int read_variable(const char *name, unsigned long *number, struct hearken_error *error)
{
    const char *text = getenv(name), *rest;
    if (!text || !*text)
        return 0;
    if (!read_count(text, '\0', UINT32_MAX, number, &rest))
        return hearken_fail(error, -EINVAL, "%s is %.60s, expected a number", name, text);
    return 1;
}

/* Slurm's task numbers begin anywhere and go up in steps. */
static int read_slurm(unsigned long id, unsigned count, struct shard *shard,
                      struct hearken_error *error)
{
    unsigned long tasks = 0, least = 0, most = 0, step = 1;
    int has_count = read_variable("SLURM_ARRAY_TASK_COUNT", &tasks, error);
    int has_least = read_variable("SLURM_ARRAY_TASK_MIN", &least, error);
    int has_most = read_variable("SLURM_ARRAY_TASK_MAX", &most, error);
    int has_step = read_variable("SLURM_ARRAY_TASK_STEP", &step, error);
    if (has_count < 0 || has_least < 0 || has_most < 0 || has_step < 0)
        return -EINVAL;
    if (has_count == 0 || has_least == 0)
        return hearken_fail(error, -EINVAL,
                            "SLURM_ARRAY_TASK_ID without _COUNT and _MIN: give --shard I/N");
    step = step > 0 ? step : 1;
    if (tasks < 1 || id < least || (id - least) % step != 0 || (id - least) / step >= tasks ||
        (has_most == 1 && (most < least || (most - least) / step + 1 != tasks)))
        return hearken_fail(error, -EINVAL,
                            "task %lu of %lu from %lu to %lu in steps of %lu: expected a range "
                            "without gaps; for some of its tasks give --shard I/N",
                            id, tasks, least, most, step);
    if ((count > 0 && tasks != count) || tasks > SHARDS_MAX)
        return hearken_fail(error, -EINVAL, "the array has %lu tasks, expected %u", tasks,
                            count > 0 ? count : SHARDS_MAX);
    *shard = (struct shard){(unsigned)((id - least) / step) + 1, (unsigned)tasks};
    return 0;
}

int shard_from_environment(unsigned count, struct shard *shard, struct hearken_error *error)
{
    unsigned long id;
    int found = read_variable("SLURM_ARRAY_TASK_ID", &id, error);
    if (found < 0)
        return found;
    if (found > 0)
        return read_slurm(id, count, shard, error);
    found = read_variable("JOB_COMPLETION_INDEX", &id, error);
    if (found < 0)
        return found;
    if (found == 0 && count > 1)
        return hearken_fail(error, -EINVAL,
                            "which of %u shards: neither --shard nor SLURM_ARRAY_TASK_ID nor "
                            "JOB_COMPLETION_INDEX says",
                            count);
    if (found > 0 && count == 0)
        return hearken_fail(error, -EINVAL,
                            "JOB_COMPLETION_INDEX without a number of shards: "
                            "expected --shards N");
    if (found > 0 && id >= count)
        return hearken_fail(error, -EINVAL, "JOB_COMPLETION_INDEX is %lu, expected 0 to %u", id,
                            count - 1);
    *shard = found > 0 ? (struct shard){(unsigned)id + 1, count} : (struct shard){1, 1};
    return 0;
}

/* ---- Dealing ---- */

struct dealt {
    uint64_t bytes;
    size_t index;
};

static int compare_dealt(const void *a, const void *b)
{
    const struct dealt *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

static bool is_lighter(const struct shard_load *loads, unsigned a, unsigned b)
{
    if (loads[a].bytes != loads[b].bytes)
        return loads[a].bytes < loads[b].bytes;
    return loads[a].items != loads[b].items ? loads[a].items < loads[b].items : a < b;
}

/* Puts the first of a heap, which has become heavier, where it belongs. */
static void sift(unsigned *heap, unsigned count, const struct shard_load *loads)
{
    unsigned at = 0;
    for (;;) {
        unsigned least = at;
        for (unsigned child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (is_lighter(loads, heap[child], heap[least]))
                least = child;
        if (least == at)
            return;
        unsigned swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static void deal(const struct dealt *items, size_t count, unsigned shards, unsigned *heap,
                 struct shard_load *loads, unsigned *owners)
{
    for (unsigned i = 0; i < shards; i++)
        heap[i] = i;
    for (size_t i = 0; i < count; i++) {
        unsigned shard = heap[0];
        owners[items[i].index] = shard + 1;
        loads[shard].items++;
        loads[shard].bytes += items[i].bytes;
        sift(heap, shards, loads);
    }
}

/* What an item of unknown length counts as. */
static uint64_t average_bytes(const struct manifest *manifest)
{
    size_t known = 0;
    for (size_t i = 0; i < manifest->count; i++)
        known += manifest->items[i].bytes > 0;
    return known > 0 && manifest->bytes >= known ? manifest->bytes / known : 1;
}

int shard_deal(const struct manifest *manifest, unsigned shards, unsigned *owners, size_t *order,
               struct shard_load *loads)
{
    uint64_t average = average_bytes(manifest);
    struct dealt *items = malloc((manifest->count + 1) * sizeof(*items));
    unsigned *heap = malloc(shards * sizeof(*heap));
    struct shard_load *own = calloc(shards, sizeof(*own));
    int result = items && heap && own ? 0 : -ENOMEM;
    if (result == 0) {
        for (size_t i = 0; i < manifest->count; i++) {
            uint64_t bytes = manifest->items[i].bytes;
            items[i] = (struct dealt){bytes > 0 ? bytes : average, i};
        }
        qsort(items, manifest->count, sizeof(*items), compare_dealt);
        deal(items, manifest->count, shards, heap, own, owners);
        for (size_t i = 0; i < manifest->count; i++)
            order[i] = items[i].index;
        if (loads)
            memcpy(loads, own, shards * sizeof(*loads));
    }
    free(items);
    free(heap);
    free(own);
    return result;
}
