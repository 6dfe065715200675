// SPDX-License-Identifier: MIT
#include "daemon/client/batch/batch_command.h"

#include "daemon/client/batch/shard_run.h"
#include "daemon/client/batch/watched_process.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "include/internal/processor_count.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_SECONDS  86400
#define KEEP_SECONDS 600
#define TRIES        4
#define WORKERS_MAX  256
#define LARGEST_MIB  4096
#define LARGEST_MAX  1048576

struct batch_arguments {
    const char *manifest, *output, *shard, *get;
    unsigned shards, workers, tries, track, largest;
    struct option_seconds keep, longest;
    bool quiet;
    struct stream_arguments stream;
    struct hearken_backend_options backend;
};

#define FIELD(name) offsetof(struct batch_arguments, name)

static const struct command_option run_options[] = {
    HEADING("What"),
    PATH('\0', "manifest", "FILE", FIELD(manifest),
         "the recordings: a JSON object a line; hearken batch plan makes it"),
    PATH('o', "output", "DIR", FIELD(output), "the folder of the results"),
    STRING('\0', "shard", "I/N", FIELD(shard),
           "do part I of N (default: what Slurm or Kubernetes says, else all)"),
    NUMBER('\0', "shards", 1, SHARDS_MAX, FIELD(shards),
           "how many parts there are, for JOB_COMPLETION_INDEX"),
    STRING('\0', "get", "PROGRAM", FIELD(get),
           "a program that writes a recording to its standard output, as in 'rclone cat "
           "s3:talks/{}': {} is "
           "the address (default: addresses are files)"),

    HEADING("How"),
    NUMBER('j', "workers", 1, WORKERS_MAX, FIELD(workers),
           "recordings at a time (default: one for each processor)"),
    NUMBER('\0', "tries", 1, 16, FIELD(tries),
           "how often a recording is begun that cannot be got or for which memory is missing, "
           "before it is left for the next start (default 4); it waits 1 s, 2 s, 4 s ... between"),
    SECONDS("keep", FIELD(keep),
            "keep what there is of a long recording each time so much sound is done (default 600)"),
    SECONDS("longest", FIELD(longest), "refuse longer recordings (default 86400, a day)"),
    NUMBER('\0', "largest", 1, LARGEST_MAX, FIELD(largest),
           "refuse recordings of which the program of --get writes more MiB (default 4096)"),
    FLAG('q', "quiet", FIELD(quiet), "only faults on standard error"),

    HEADING("Recognition"),
    BEAM_OPTION,
    STRING('l', "language", "CODE", FIELD(stream.language),
           "the language of the recordings (de, en, ...), or auto to detect it (default: the "
           "model's)"),
    FLAG('\0', "translate", FIELD(stream.translate), "translate to English, with models that can"),
    STRING('\0', "prompt", "TEXT", FIELD(stream.prompt),
           "text assumed to precede each recording: gives names and spellings to expect"),
    STRING('\0', "channels", "mix|each|auto", FIELD(stream.channels),
           "each: recognise each channel on its own; auto: do so if they hold different sound; mix "
           "(default): mix them"),
    NUMBER('\0', "track", 1, 64, FIELD(track), "the track of sound to take, of files with several"),
    LIST('s', "set", "NAME=VALUE", FIELD(stream.settings),
         "a setting of [recognition] in hearkend.conf(5); may be repeated"),
    CUSTOM_WORD_OPTIONS,
    STRING('m', "model", "NAME|FILE", FIELD(stream.model),
           "a model file or an installed model (default: hearken-en)"),
    BACKEND_OPTIONS,
    STRING('\0', "cpu-mask", "LIST", FIELD(backend.cpu_mask),
           "instruction sets not to use, comma separated"),
    NUMBER('\0', "threads", 0, 1024, FIELD(backend.threads),
           "threads of one computation (default 0: as many as the workers leave processors)"),

    HEADING("Other"),
};

/* What the process at work needs. */
struct batch_work {
    struct batch_arguments *arguments;
    struct shard shard;
    struct fetch_program fetch;
    struct stream_settings settings;
};

static void print_warning(void *context, enum hearken_log_level level, const char *message)
{
    (void)context;
    if (level <= HEARKEN_LOG_WARNING)
        message_error(NULL, message);
}

/* ---- What is to be done ---- */

/* Names all items. Errors: -EINVAL with the line, -EEXIST, -ENOMEM. */
static int name_items(const struct item_setup *setup, struct manifest *manifest,
                      struct hearken_error *error)
{
    struct hearken_error problem;
    for (size_t i = 0; i < manifest->count; i++) {
        int result = item_name(setup, &manifest->items[i], &problem);
        if (result < 0)
            return hearken_fail(error, result, "%s: line %zu: %s", manifest->path,
                                manifest->items[i].line, problem.message);
    }
    return manifest_join_same(manifest, error);
}

/* The items of the shard, longest first, which stay the manifest's. The caller frees them. */
static int find_own(const struct manifest *manifest, const struct shard *shard,
                    struct manifest_item **items, size_t *count, struct hearken_error *error)
{
    unsigned *owners = calloc(manifest->count + 1, sizeof(*owners));
    size_t *order = calloc(manifest->count + 1, sizeof(*order));
    *items = calloc(manifest->count + 1, sizeof(**items));
    *count = 0;
    int result = owners && order && *items ? shard_deal(manifest, shard->count, owners, order, NULL)
                                           : -ENOMEM;
    for (size_t i = 0; i < manifest->count && result == 0; i++)
        if (owners[order[i]] == shard->number)
            (*items)[(*count)++] = manifest->items[order[i]];
    free(owners);
    free(order);
    return result < 0 ? hearken_fail(error, result, "out of memory") : 0;
}

/* With the manifest read and the model open. Returns an exit code. */
static int do_items(const struct batch_work *work, struct item_setup *setup,
                    struct manifest *manifest, int signals)
{
    const struct batch_arguments *arguments = work->arguments;
    struct hearken_error error;
    struct manifest_item *items = NULL;
    size_t count = 0;
    if (name_items(setup, manifest, &error) < 0 ||
        find_own(manifest, &work->shard, &items, &count, &error) < 0) {
        message_error(NULL, error.message);
        free(items);
        return EXIT_FAILED;
    }
    const struct shard_run run = {
        .setup = setup,
        .items = items,
        .count = count,
        .all_count = manifest->count,
        .shard = work->shard,
        .workers = arguments->workers,
        .tries = arguments->tries,
        .quiet = arguments->quiet,
    };
    int code = shard_run(&run, signals);
    free(items);
    return code;
}

/* With the store open. */
static int open_and_do(const struct batch_work *work, struct item_setup *setup, int signals)
{
    struct batch_arguments *arguments = work->arguments;
    struct hearken_error error;
    struct signals_default opening;
    struct manifest manifest;
    char path[PATH_MAX];
    uint64_t size;
    int code = EXIT_FAILED;
    int result = manifest_read(&manifest, arguments->manifest, &error);
    signals_default_begin(&opening);
    if (result == 0 && !hearken_find_model(arguments->stream.model, path, sizeof(path)))
        result = hearken_fail(&error, -ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
    setup->model_file = path;
    if (result == 0)
        result = local_create(arguments->stream.model, &arguments->backend, &setup->local, &error);
    if (result == 0)
        result = model_folder_hash(path, setup->model_sha256, &size, &error);
    signals_default_end(&opening);
    if (result == 0)
        code = do_items(work, setup, &manifest, signals);
    else
        message_error(NULL, error.message);
    local_destroy(setup->local);
    manifest_finish(&manifest);
    return code;
}

/* In the process at work. */
static int do_shard(void *context, atomic_uint *begun)
{
    const struct batch_work *work = context;
    const struct batch_arguments *arguments = work->arguments;
    char decoder[PATH_MAX];
    struct hearken_error error;
    struct result_store store;
    int signals = signals_open(), code = EXIT_FAILED;
    struct item_setup setup = {
        .settings = work->settings,
        .fetch = &work->fetch,
        .store = &store,
        .longest = arguments->longest.set ? arguments->longest.value : DAY_SECONDS,
        .keep = arguments->keep.set ? arguments->keep.value : KEEP_SECONDS,
        .begun = begun,
    };
    hearken_source_options_init(&setup.source);
    setup.source.decoder = hearken_find_decoder(decoder, sizeof(decoder));
    setup.source.track = arguments->track;
    if (signals < 0) {
        message_error(NULL, strerror(-signals));
        return code;
    }
    if (result_store_open(&store, arguments->output, true, &error) == 0)
        code = open_and_do(work, &setup, signals);
    else
        message_error(NULL, error.message);
    result_store_close(&store);
    close(signals);
    return code;
}

/* ---- The command ---- */

static int run_shard(const struct command *command, int argc, char **argv)
{
    struct batch_arguments arguments = {.tries = TRIES, .largest = LARGEST_MIB};
    struct batch_work work = {.arguments = &arguments};
    struct hearken_error error;
    hearken_backend_options_init(&arguments.backend);
    int count = options_parse(command, argc, argv, &arguments);
    if (count < 0)
        return options_exit_code(count);
    if (!arguments.manifest || !arguments.output)
        return usage_error(command, "expected --manifest FILE and --output DIR");
    if (arguments.shard && arguments.shards > 0)
        return usage_error(command, "--shard and --shards: choose one");
    if (arguments.shard && shard_parse(arguments.shard, &work.shard, &error) < 0)
        return usage_error(command, "--shard %s", error.message);
    if (!arguments.shard && shard_from_environment(arguments.shards, &work.shard, &error) < 0)
        return usage_error(command, "%s", error.message);
    unsigned processors = processor_count();
    if (processors > WORKERS_MAX)
        processors = WORKERS_MAX;
    if (arguments.workers == 0)
        arguments.workers = processors;
    if (arguments.backend.threads == 0)
        arguments.backend.threads =
            processors > arguments.workers ? processors / arguments.workers : 1;
    arguments.backend.log = print_warning;
    int code = stream_settings_read(&work.settings, &arguments.stream, command, true);
    if (code == EXIT_GOOD &&
        fetch_program_init(&work.fetch, arguments.get, arguments.largest, &error) < 0)
        code = usage_error(command, "%s", error.message);
    if (code == EXIT_GOOD)
        code = watched_process_run(do_shard, &work, EXIT_AGAIN);
    fetch_program_finish(&work.fetch);
    stream_settings_finish(&work.settings);
    return code;
}

static const struct command *const parts[] = {
    &batch_plan_command,
    &batch_status_command,
    &batch_collect_command,
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

const struct command *batch_part_at(size_t index)
{
    return index < PART_COUNT ? parts[index] : NULL;
}

static int run_batch(const struct command *command, int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < PART_COUNT; i++)
        if (strcmp(parts[i]->name + strlen("batch "), argv[1]) == 0)
            return parts[i]->run(parts[i], argc - 1, argv + 1);
    return run_shard(command, argc, argv);
}

const struct command batch_command = {
    .name = "batch",
    .operands = "",
    .summary = "Transcribe an archive, or one part of it; plan, status, collect: around that",
    .description =
        "Recognises the recordings of a manifest and writes DIR/ID.json for each, with the words\n"
        "and their times. What is there already, of the same recording, model and options, is\n"
        "skipped; so it may be started again after whatever ended it, on any machine.\n"
        "\n"
        "hearken batch plan        make a manifest\n"
        "hearken batch status DIR  how far it is\n"
        "hearken batch collect DIR all results as lines of JSON\n"
        "\n"
        "Exit status: 0 every recording is done or given up (DIR/failed says why), 75 start it\n"
        "again, 1 it cannot work at all, 2 the command line is wrong, 130 interrupted. After\n"
        "SIGTERM it ends with the segment.\n",
    .examples =
        "  hearken batch plan -o archive.jsonl /archive\n"
        "  hearken batch --manifest archive.jsonl --output results\n"
        "  hearken batch --manifest archive.jsonl --shard 3/40 --output results\n"
        "  hearken batch --manifest s3.jsonl --get 'rclone cat s3:talks/{}' --output results\n",
    .options = run_options,
    .option_count = OPTION_COUNT(run_options),
    .run = run_batch,
};
