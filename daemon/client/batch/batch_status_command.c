// SPDX-License-Identifier: MIT
/* hearken batch status: how far the shards of a folder of results are. */
#include "daemon/client/batch/batch_command.h"
#include "daemon/client/batch/shard_progress.h"
#include "daemon/client/output/output.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RUNNING_SECONDS 60 /* a shard that is at work says so every 10 s */

struct status_arguments {
    bool json;
};

/* Of all shards. */
struct batch_status {
    const struct result_store *store;
    size_t items, published, failed;
    size_t shards, finished, running;
    size_t accounted;     /* items that shards have done */
    double seconds;       /* of sound */
    double worked;        /* seconds, of all shards together */
    double running_speed; /* seconds of sound a second, of those that run */
};

static const struct command_option status_options[] = {
    FLAG('\0', "json", offsetof(struct status_arguments, json), "one line of JSON"),
};

static int count_id(void *context, const char *id)
{
    (void)id;
    ++*(size_t *)context;
    return 0;
}

static int take_shard(void *context, const char *id)
{
    struct batch_status *status = context;
    struct shard_progress progress;
    if (!shard_progress_read(status->store, id, &progress))
        return 0;
    size_t done = progress.published + progress.failed;
    bool finished = done >= progress.items;
    double age = difftime(time(NULL), (time_t)progress.updated);
    status->items = progress.all_items > status->items ? progress.all_items : status->items;
    status->shards = progress.shard.count > status->shards ? progress.shard.count : status->shards;
    status->finished += finished;
    status->accounted += done;
    status->seconds += progress.seconds;
    status->worked += progress.worked;
    if (finished || !progress.running || age > RUNNING_SECONDS)
        return 0;
    status->running++;
    if (progress.worked > 0)
        status->running_speed += progress.seconds / progress.worked;
    return 0;
}

static size_t items_left(const struct batch_status *status)
{
    size_t done = status->published + status->failed;
    return status->items > done ? status->items - done : 0;
}

/* Of those that run, or else of a shard on average. */
static double speed_of(const struct batch_status *status)
{
    if (status->running > 0)
        return status->running_speed;
    return status->worked > 0 ? status->seconds / status->worked : 0;
}

/* As if what is left were as long as what was done; negative: unknown. */
static double seconds_left(const struct batch_status *status)
{
    if (items_left(status) == 0)
        return 0;
    if (status->running == 0 || status->accounted == 0)
        return -1;
    return (double)items_left(status) * status->worked / (double)status->accounted /
           (double)status->running;
}

static int print_json(const struct batch_status *status)
{
    double left = seconds_left(status);
    return json_print_line(
        stdout,
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "items",
                  (json_int_t)status->items, "published", (json_int_t)status->published, "failed",
                  (json_int_t)status->failed, "left", (json_int_t)items_left(status), "shards",
                  (json_int_t)status->shards, "shards_finished", (json_int_t)status->finished,
                  "shards_running", (json_int_t)status->running, "sound_hours",
                  json_rounded(status->seconds / 3600), "sound_hours_an_hour",
                  json_rounded(speed_of(status)), "seconds_left",
                  left < 0 ? json_null() : json_rounded(left)));
}

static void print_text(const struct batch_status *status)
{
    double left = seconds_left(status);
    printf("done     %zu of %zu, %zu failed, %zu left\n", status->published, status->items,
           status->failed, items_left(status));
    printf("shards   %zu of %zu done, %zu at work\n", status->finished, status->shards,
           status->running);
    printf("sound    %.2f hours, %.1f hours an hour%s\n", status->seconds / 3600, speed_of(status),
           status->running > 0 ? "" : " a shard");
    if (left >= 0)
        printf("left     %.0f:%02d hours\n", left >= 3600 ? (double)(long)(left / 3600) : 0,
               (int)((long)(left / 60) % 60));
    else
        printf("left     unknown, as no shard is at work\n");
}

static int run_status(const struct command *command, int argc, char **argv)
{
    struct status_arguments arguments = {0};
    struct result_store store;
    struct batch_status status = {.store = &store};
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &arguments);
    if (count < 0)
        return options_exit_code(count);
    int result = result_store_open(&store, argv[0], false, &error);
    if (result < 0) {
        message_error(NULL, error.message);
    } else if ((result = result_store_list(&store, STORE_RESULTS, count_id, &status.published)) <
                   0 ||
               (result = result_store_list(&store, STORE_FAILED, count_id, &status.failed)) < 0 ||
               (result = result_store_list(&store, STORE_PROGRESS, take_shard, &status)) < 0) {
        message_error(argv[0], strerror(-result));
    } else if (arguments.json) {
        result = print_json(&status);
    } else {
        print_text(&status);
    }
    result_store_close(&store);
    return result < 0 ? EXIT_FAILED : EXIT_GOOD;
}

const struct command batch_status_command = {
    .name = "batch status",
    .operands = "DIR",
    .operands_minimum = 1,
    .operands_maximum = 1,
    .summary = "Tell how far a batch is: done, failed, left, speed, time",
    .description = "DIR is that of --output.\n",
    .options = status_options,
    .option_count = OPTION_COUNT(status_options),
    .run = run_status,
};
