// SPDX-License-Identifier: MIT
/* hearken batch plan: a manifest of what is in folders or listings. */
#include "daemon/client/batch/batch_command.h"
#include "daemon/client/batch/shard.h"
#include "daemon/client/output/output.h"
#include "daemon/client/program/atomic_file.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/json_text.h"
#include "daemon/common/peer_value.h"
#include "include/internal/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct plan {
    const char *output, *list, *prefix;
    unsigned shards;
    bool all;
};

#define FIELD(name) offsetof(struct plan, name)

static const struct command_option plan_options[] = {
    PATH('o', "output", "FILE", FIELD(output), "write to FILE instead of standard output"),
    PATH('\0', "list", "FILE", FIELD(list),
         "take the recordings of a listing, - for standard input: lines of SIZE PATH or PATH, as "
         "rclone ls and aws s3 ls --recursive print them, or the JSON of rclone lsjson"),
    STRING('\0', "prefix", "TEXT", FIELD(prefix),
           "what comes before each path of the listing: remote:bucket/"),
    NUMBER('\0', "shards", 1, SHARDS_MAX, FIELD(shards), "tell how even so many shards will be"),
    FLAG('a', "all", FIELD(all), "also files whose names do not end like those of recordings"),
};

/* ---- Recordings ---- */

static bool is_recording(const char *path)
{
    static const char *const endings[] = {
        "3gp", "aac",  "ac3",  "aif", "aifc", "aiff", "amr",  "ape",  "au",  "avi",  "caf", "dts",
        "dv",  "eac3", "flac", "flv", "gsm",  "m4a",  "m4b",  "mka",  "mkv", "mov",  "mp2", "mp3",
        "mp4", "mpeg", "mpg",  "mts", "oga",  "ogg",  "ogv",  "opus", "ra",  "rf64", "snd", "spx",
        "ts",  "tta",  "vob",  "w64", "wav",  "weba", "webm", "wma",  "wmv", "wv",
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

/* Takes over `url`; NULL: no memory. */
static int add(struct manifest *manifest, char *url, uint64_t bytes, struct hearken_error *error)
{
    const struct manifest_item item = {.url = url, .bytes = bytes};
    if (url && manifest_add(manifest, &item) == 0)
        return 0;
    free(url);
    return hearken_fail(error, -ENOMEM, "out of memory");
}

/* A path of which JSON cannot hold each byte becomes a URI. */
static char *file_url(const char *path)
{
    char *url = NULL;
    if (utf8_is_valid(path))
        return strdup(path);
    char *encoded = json_percent_encode(path);
    if (encoded && asprintf(&url, "file://%s", encoded) < 0)
        url = NULL;
    free(encoded);
    return url;
}

/* ---- Folders ---- */

static int compare_names(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_entry(const struct plan *plan, struct manifest *manifest, FTS *walk, FTSENT *entry,
                     struct hearken_error *error)
{
    bool hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
    if (hidden)
        fts_set(walk, entry, FTS_SKIP);
    if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)
        return hearken_fail(error, -entry->fts_errno, "%s: %s", entry->fts_path,
                            strerror(entry->fts_errno));
    bool wanted = entry->fts_info == FTS_F && S_ISREG(entry->fts_statp->st_mode) &&
                  entry->fts_statp->st_size > 0;
    if (hidden || !wanted || !(plan->all || entry->fts_level == 0 || is_recording(entry->fts_name)))
        return 0;
    return add(manifest, file_url(entry->fts_path), (uint64_t)entry->fts_statp->st_size, error);
}

static int add_folder(const struct plan *plan, const char *folder, struct manifest *manifest,
                      struct hearken_error *error)
{
    char path[PATH_MAX];
    char *const roots[] = {path, NULL};
    if (!realpath(folder, path))
        return hearken_fail(error, -errno, "%s: %s", folder, strerror(errno));
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    FTSENT *entry = NULL;
    int result = walk ? 0 : -errno;
    while (result == 0 && (errno = 0, entry = fts_read(walk)))
        if ((result = add_entry(plan, manifest, walk, entry, error)) < 0)
            break;
    if (!entry && (result < 0 || errno))
        result = hearken_fail(error, result < 0 ? result : -errno, "%s: %s", folder,
                              strerror(result < 0 ? -result : errno));
    if (walk)
        fts_close(walk);
    return result;
}

/* ---- Listings ---- */

static int add_listed(const struct plan *plan, struct manifest *manifest, const char *path,
                      uint64_t bytes, struct hearken_error *error)
{
    char *url = NULL;
    if (!utf8_is_valid(path))
        return hearken_fail(error, -EINVAL, "is no UTF-8 text, which an address must be");
    if (!*path || path[strlen(path) - 1] == '/' || !(plan->all || is_recording(path)))
        return 0;
    if (asprintf(&url, "%s%s", plan->prefix ? plan->prefix : "", path) < 0)
        url = NULL;
    return add(manifest, url, bytes, error);
}

/* Goes past a word of digits and `others`, and the spaces behind it; NULL: there is none. */
static const char *skip_number(const char *text, const char *others)
{
    const char *at = text;
    while (isdigit((unsigned char)*at) || (*at && strchr(others, *at)))
        at++;
    if (!isdigit((unsigned char)*text) || (*at != ' ' && *at != '\t'))
        return NULL;
    return at + strspn(at, " \t");
}

/* "PATH", "SIZE PATH" or "2026-01-31 12:00:00 SIZE PATH". */
static int add_line(const struct plan *plan, struct manifest *manifest, char *line,
                    struct hearken_error *error)
{
    uint64_t bytes = 0;
    line[strcspn(line, "\r")] = '\0';
    const char *path = line + strspn(line, " \t");
    const char *day = skip_number(path, "-"), *time = day ? skip_number(day, ":") : NULL;
    const char *size = time && path[4] == '-' && day[2] == ':' ? time : path;
    const char *rest = skip_number(size, "");
    if (rest) {
        bytes = strtoull(size, NULL, 10);
        path = rest;
    }
    return add_listed(plan, manifest, path, bytes, error);
}

static int add_lines(const struct plan *plan, struct manifest *manifest, FILE *file,
                     struct hearken_error *error)
{
    struct hearken_error problem = {""};
    char *line = malloc(MANIFEST_LINE_MAX + 2);
    int result = line ? 0 : hearken_fail(error, -ENOMEM, "out of memory");
    for (size_t number = 1; result == 0; number++) {
        long length = manifest_read_line(file, line);
        if (length == -ENODATA)
            break;
        if (length < 0)
            result = hearken_fail(&problem, (int)length, "%s", strerror((int)-length));
        else
            result = add_line(plan, manifest, line, &problem);
        if (result < 0)
            hearken_fail(error, result, "%s: line %zu: %s", plan->list, number, problem.message);
    }
    free(line);
    return result;
}

static int add_objects(const struct plan *plan, struct manifest *manifest, FILE *file,
                       struct hearken_error *error)
{
    json_error_t problem;
    struct hearken_error reason;
    json_t *list = json_loadf(file, 0, &problem);
    int result = 0;
    if (!list)
        return hearken_fail(error, -EINVAL, "%s: line %d: %s", plan->list, problem.line,
                            problem.text);
    for (size_t i = 0; i < json_array_size(list) && result == 0; i++) {
        const json_t *object = json_array_get(list, i);
        const char *path = json_string_value(json_object_get(object, "Path"));
        if (json_is_true(json_object_get(object, "IsDir")))
            continue;
        if (!path)
            result = hearken_fail(&reason, -EINVAL,
                                  "has no Path, expected what rclone lsjson "
                                  "prints");
        else
            result =
                add_listed(plan, manifest, path, peer_count(object, "Size", INT64_MAX), &reason);
        if (result < 0)
            hearken_fail(error, result, "%s: entry %zu: %s", plan->list, i + 1, reason.message);
    }
    json_decref(list);
    return result;
}

static int add_list(const struct plan *plan, struct manifest *manifest, struct hearken_error *error)
{
    bool standard_input = strcmp(plan->list, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(plan->list, "re");
    if (!file)
        return hearken_fail(error, -errno, "%s: %s", plan->list, strerror(errno));
    int first = getc(file);
    ungetc(first, file);
    int result = first == '[' ? add_objects(plan, manifest, file, error)
                              : add_lines(plan, manifest, file, error);
    if (!standard_input)
        fclose(file);
    return result;
}

/* ---- The manifest ---- */

static int print_item(FILE *stream, const struct manifest_item *item)
{
    json_t *object = json_pack("{s:s}", "url", item->url);
    if (object && item->bytes > 0 &&
        json_object_set_new(object, "bytes", json_integer((json_int_t)item->bytes)) < 0) {
        json_decref(object);
        object = NULL;
    }
    return json_print_line(stream, object);
}

static void tell(const struct plan *plan, const struct manifest *manifest,
                 const struct shard_load *loads)
{
    struct shard_load least = loads[0], most = loads[0];
    for (unsigned i = 1; i < plan->shards; i++) {
        least.bytes = loads[i].bytes < least.bytes ? loads[i].bytes : least.bytes;
        most.bytes = loads[i].bytes > most.bytes ? loads[i].bytes : most.bytes;
        least.items = loads[i].items < least.items ? loads[i].items : least.items;
        most.items = loads[i].items > most.items ? loads[i].items : most.items;
    }
    fprintf(stderr, "%zu recordings, %.1f MB", manifest->count, (double)manifest->bytes / 1e6);
    if (plan->shards > 1)
        fprintf(stderr, "; %u shards: %.1f to %.1f MB, %zu to %zu recordings", plan->shards,
                (double)least.bytes / 1e6, (double)most.bytes / 1e6, least.items, most.items);
    fputc('\n', stderr);
}

/* Longest first. */
static int write_manifest(struct plan *plan, const struct manifest *manifest,
                          struct hearken_error *error)
{
    struct output output;
    char *text = NULL;
    size_t length = 0;
    plan->shards = plan->shards > 0 ? plan->shards : 1;
    unsigned *owners = calloc(manifest->count + 1, sizeof(*owners));
    size_t *order = calloc(manifest->count + 1, sizeof(*order));
    struct shard_load *loads = calloc(plan->shards, sizeof(*loads));
    FILE *stream = open_memstream(&text, &length);
    int result = owners && order && loads && stream
                     ? shard_deal(manifest, plan->shards, owners, order, loads)
                     : -ENOMEM;
    for (size_t i = 0; i < manifest->count && result == 0; i++)
        result = print_item(stream, &manifest->items[order[i]]);
    if (stream && fclose(stream) != 0)
        result = -ENOMEM;
    if (result < 0)
        hearken_fail(error, result, "%s", strerror(-result));
    else
        result = output_open(&output, plan->output, error);
    if (result == 0 && (result = output_bytes(&output, text, length, error)) == 0)
        result = output_commit(&output, error);
    if (result == 0)
        tell(plan, manifest, loads);
    free(text);
    free(loads);
    free(order);
    free(owners);
    return result;
}

static int run_plan(const struct command *command, int argc, char **argv)
{
    struct plan plan = {0};
    struct manifest manifest = {0};
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &plan);
    if (count < 0)
        return options_exit_code(count);
    if (count == 0 && !plan.list)
        return usage_error(command, "expected FOLDER or --list FILE");
    if (plan.prefix && !plan.list)
        return usage_error(command, "--prefix is for --list");
    if (plan.prefix && !utf8_is_valid(plan.prefix))
        return usage_error(command, "--prefix: expected UTF-8 text");
    int result = plan.list ? add_list(&plan, &manifest, &error) : 0;
    for (int i = 0; i < count && result == 0; i++)
        result = add_folder(&plan, argv[i], &manifest, &error);
    if (result == 0)
        result = write_manifest(&plan, &manifest, &error);
    if (result < 0)
        message_error(NULL, error.message);
    manifest_finish(&manifest);
    return result < 0 ? EXIT_FAILED : EXIT_GOOD;
}

const struct command batch_plan_command = {
    .name = "batch plan",
    .operands = "[FOLDER...]",
    .operands_maximum = INT_MAX,
    .summary = "Make a manifest of the recordings in folders or listings",
    .description = "Takes the files whose names end like those of recordings, longest first.\n",
    .examples = "  hearken batch plan -o archive.jsonl /archive\n"
                "  rclone lsjson -R s3:talks | hearken batch plan --list - --prefix s3:talks/\n",
    .options = plan_options,
    .option_count = OPTION_COUNT(plan_options),
    .run = run_plan,
};
