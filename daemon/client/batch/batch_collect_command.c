// SPDX-License-Identifier: MIT
/* hearken batch collect: the results of a batch as one file. */
#include "daemon/client/batch/batch_command.h"
#include "daemon/client/batch/result_store.h"
#include "daemon/client/output/output.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct collect {
    const char *output;
    bool failed;
};

#define FIELD(name) offsetof(struct collect, name)

static const struct command_option collect_options[] = {
    PATH('o', "output", "FILE", FIELD(output), "write to FILE instead of standard output"),
    FLAG('\0', "failed", FIELD(failed), "why there is no result, instead of the results"),
};

struct id_list {
    size_t count, room;
    char **ids;
};

static int add_id(void *context, const char *id)
{
    struct id_list *list = context;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 1024;
        char **ids = realloc(list->ids, room * sizeof(*ids));
        if (!ids)
            return -ENOMEM;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count] = strdup(id);
    return list->ids[list->count++] ? 0 : -ENOMEM;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One line of JSON. */
static int collect_one(const struct result_store *store, enum store_folder folder, const char *id,
                       const struct output *output, struct hearken_error *error)
{
    char name[STORE_NAME];
    char *text = NULL;
    size_t length = 0;
    result_store_name(id, name);
    json_t *object = result_store_read(store, folder, name);
    if (!object)
        return hearken_fail(error, -EINVAL, "%s/%s: is no result: expected a JSON object",
                            store->path, name);
    FILE *stream = open_memstream(&text, &length);
    int result = stream ? json_print_line(stream, object) : -ENOMEM;
    if (stream && fclose(stream) != 0)
        result = -ENOMEM;
    if (!stream)
        json_decref(object);
    if (result < 0)
        hearken_fail(error, result, "%s", strerror(-result));
    else
        result = output_bytes(output, text, length, error);
    free(text);
    return result;
}

static int collect(const struct collect *arguments, const struct result_store *store,
                   struct hearken_error *error)
{
    enum store_folder folder = arguments->failed ? STORE_FAILED : STORE_RESULTS;
    struct output output;
    struct id_list list = {0};
    int result = result_store_list(store, folder, add_id, &list);
    if (result < 0)
        hearken_fail(error, result, "%s: %s", store->path, strerror(-result));
    else
        result = output_open(&output, arguments->output, error);
    if (result == 0) {
        if (list.count > 0)
            qsort(list.ids, list.count, sizeof(*list.ids), compare_ids);
        for (size_t i = 0; i < list.count && result == 0; i++)
            result = collect_one(store, folder, list.ids[i], &output, error);
        if (result == 0)
            result = output_commit(&output, error);
        else
            output_discard(&output);
    }
    for (size_t i = 0; i < list.count; i++)
        free(list.ids[i]);
    free(list.ids);
    return result;
}

static int run_collect(const struct command *command, int argc, char **argv)
{
    struct collect arguments = {0};
    struct result_store store;
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &arguments);
    if (count < 0)
        return options_exit_code(count);
    int result = result_store_open(&store, argv[0], false, &error);
    if (result == 0)
        result = collect(&arguments, &store, &error);
    if (result < 0)
        message_error(NULL, error.message);
    result_store_close(&store);
    return result < 0 ? EXIT_FAILED : EXIT_GOOD;
}

const struct command batch_collect_command = {
    .name = "batch collect",
    .operands = "DIR",
    .operands_minimum = 1,
    .operands_maximum = 1,
    .summary = "Write the results of a batch as lines of JSON, in the order of their ids",
    .description = "DIR is that of --output.\n",
    .examples = "  hearken batch collect -o archive-text.jsonl results\n",
    .options = collect_options,
    .option_count = OPTION_COUNT(collect_options),
    .run = run_collect,
};
