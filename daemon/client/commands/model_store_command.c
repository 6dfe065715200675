// SPDX-License-Identifier: MIT
/* hearken model list, get, rm, verify, path, refresh. */
#include "daemon/client/models/model_checkpoint.h"
#include "daemon/client/models/model_download.h"
#include "daemon/client/models/model_folder.h"
#include "daemon/client/models/model_index.h"
#include "daemon/client/program/atomic_file.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES     65536
#define LIST_BYTES_MAX ((size_t)4 << 20)
#define OWN_LIST       "refreshed.json"

struct store {
    bool json, quiet, installed;
    const char *from, *url, *sha256;
};

#define FIELD(name) offsetof(struct store, name)

/* ---- Files ---- */

/* Whether the name may become that of a file. */
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 100;
}

static int fail_unknown(const struct model_index *index, const char *name,
                        struct hearken_error *error)
{
    char known[400] = "";
    size_t used = 0;
    const struct index_entry *entry;
    for (size_t i = 0; (entry = model_index_at(index, i)) && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                 entry->name);
    return hearken_fail(error, -ENOENT, "no model %.100s: expected one of %s; or give --url", name,
                        known);
}

/* ---- list ---- */

static const struct command_option list_options[] = {
    FLAG('\0', "json", FIELD(json), "one line of JSON"),
    FLAG('\0', "installed", FIELD(installed), "only those that are there"),
};

static void print_entry(const struct index_entry *entry, const char *path)
{
    char size[24] = "-";
    if (entry->size > 0)
        snprintf(size, sizeof(size), "%.0f MB", (double)entry->size / 1e6);
    printf("%-28s %8s  %-4s %-10s %s\n", entry->name, size, entry->languages,
           path ? "installed" : "-", entry->about);
}

static json_t *entry_object(const struct index_entry *entry, const char *path)
{
    json_t *addresses = json_array(), *parts = entry->parts->name ? json_array() : NULL;
    for (size_t i = 0; entry->addresses[i]; i++)
        json_array_append_new(addresses, json_string(entry->addresses[i]));
    for (const struct index_part *part = entry->parts; part->name; part++)
        json_array_append_new(parts, json_pack("{s:s, s:I, s:s}", "name", part->name, "size",
                                               (json_int_t)part->size, "sha256", part->sha256));
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o*, s:s*}", "name", entry->name, "size",
                     (json_int_t)entry->size, "sha256", entry->sha256, "licence", entry->licence,
                     "languages", entry->languages, "about", entry->about, "addresses", addresses,
                     "parts", parts, "path", path);
}

static int list_models(const struct store *store, const struct model_index *index,
                       struct hearken_error *error)
{
    char path[PATH_MAX];
    const struct index_entry *entry;
    json_t *all = json_array();
    if (!store->json)
        printf("%-28s %8s  %-4s %-10s %s\n", "NAME", "SIZE", "LANG", "STATE", "ABOUT");
    for (size_t i = 0; (entry = model_index_at(index, i)); i++) {
        const char *there = model_folder_find(entry->name, path, sizeof(path));
        if (store->installed && !there)
            continue;
        if (store->json)
            json_array_append_new(all, entry_object(entry, there));
        else
            print_entry(entry, there);
    }
    int result = store->json ? json_dumpf(all, stdout, JSON_COMPACT) : 0;
    if (store->json)
        putchar('\n');
    json_decref(all);
    return result < 0 ? hearken_fail(error, -ENOMEM, "out of memory") : 0;
}

/* ---- get ---- */

static const struct command_option get_options[] = {
    PATH('\0', "from", "FILE", FIELD(from), "take this instead of asking a server"),
    STRING('\0', "url", "URL", FIELD(url), "get it from here; NAME may be a new one"),
    STRING('\0', "sha256", "HEX", FIELD(sha256), "the SHA-256 that it must have"),
    FLAG('q', "quiet", FIELD(quiet), "no progress on standard error"),
};

/* Copies the file to one without a name that then gets TARGET's. */
static int copy_file(const char *from, const char *target, struct hearken_error *error)
{
    struct atomic_file copy;
    char *block = malloc(COPY_BYTES);
    int file = open(from, O_RDONLY | O_CLOEXEC);
    int result = !block     ? hearken_fail(error, -ENOMEM, "out of memory")
                 : file < 0 ? hearken_fail(error, -errno, "%s: %s", from, strerror(errno))
                            : atomic_file_open(&copy, target, error);
    if (result < 0)
        goto closed;
    ssize_t count;
    while (result == 0 && (count = read(file, block, COPY_BYTES)) != 0) {
        int written = count < 0 ? 0 : write_all(copy.descriptor, block, (size_t)count);
        if (count < 0)
            result = hearken_fail(error, -errno, "%s: %s", from, strerror(errno));
        else if (written < 0)
            result = hearken_fail(error, written, "%s: %s", target, strerror(-written));
    }
    if (result == 0 && fsync(copy.descriptor) < 0)
        result = hearken_fail(error, -errno, "%s: %s", target, strerror(errno));
    if (result == 0)
        result = atomic_file_commit(&copy, error);
    else
        atomic_file_discard(&copy);
closed:
    if (file >= 0)
        close(file);
    free(block);
    return result;
}

/* Whether a file of the user's is the model. */
static int check_file(const char *path, uint64_t size, const char *sha256,
                      struct hearken_error *error)
{
    char head[4] = "", sum[SHA256_TEXT];
    uint64_t bytes;
    FILE *file = fopen(path, "re");
    size_t count = file ? fread(head, 1, sizeof(head), file) : 0;
    if (file)
        fclose(file);
    int result = model_folder_hash(path, sum, &bytes, error);
    if (result < 0)
        return result;
    if (!model_folder_is_model(head, count))
        return hearken_fail(error, -EBADMSG, "%s: is no model: expected GGUF or whisper.cpp's ggml",
                            path);
    if (size > 0 && size != bytes)
        return hearken_fail(error, -EBADMSG, "%s: has %llu bytes, expected %llu", path,
                            (unsigned long long)bytes, (unsigned long long)size);
    if (*sha256 && strcmp(sha256, sum) != 0)
        return hearken_fail(error, -EBADMSG, "%s: has the SHA-256 %s, expected %s", path, sum,
                            sha256);
    return 0;
}

/* What of the entry and the command line makes the file: its name, its sum. */
struct wanted {
    char file[128];
    uint64_t size;
    const char *sha256;
    const char *const *addresses; /* ends with NULL */
};

/* A new name is kept with the ending that its address or its file has. */
static void name_file(const struct store *store, const char *name, struct wanted *wanted)
{
    const char *source = store->from ? store->from : store->url;
    size_t length = strcspn(source, "?#");
    bool ggml = length > 4 && strncmp(source + length - 4, ".bin", 4) == 0;
    snprintf(wanted->file, sizeof(wanted->file), "%s%s", name, ggml ? ".bin" : ".gguf");
}

static int find_wanted(const struct store *store, const struct model_index *index, const char *name,
                       const char *const *url, struct wanted *wanted, struct hearken_error *error)
{
    const struct index_entry *entry = model_index_find(index, name);
    *wanted = (struct wanted){.sha256 = store->sha256 ? store->sha256 : ""};
    if (!entry && !store->url && !store->from)
        return fail_unknown(index, name, error);
    wanted->addresses = store->url || !entry ? url : entry->addresses;
    if (!entry) {
        name_file(store, name, wanted);
        return 0;
    }
    if (entry->parts->name && store->sha256)
        return hearken_fail(error, -EINVAL, "%s: is made of several files: no --sha256 is its own",
                            name);
    if (entry->parts->name && store->url && store->url[strlen(store->url) - 1] != '/')
        return hearken_fail(error, -EINVAL,
                            "--url %.200s: expected the address of the folder with %s, with a "
                            "slash at its end",
                            store->url, entry->parts->name);
    snprintf(wanted->file, sizeof(wanted->file), "%s", entry->file);
    if (!store->sha256) {
        wanted->sha256 = entry->sha256;
        wanted->size = entry->size;
    }
    if (!wanted->addresses[0] && !store->from)
        return hearken_fail(error, -ENOENT, "%s comes with hearken; otherwise give --from or --url",
                            name);
    return 0;
}

static int get_model(const struct store *store, const struct model_index *index, const char *name,
                     struct hearken_error *error)
{
    char there[PATH_MAX], target[PATH_MAX];
    const char *const url[] = {store->url, NULL};
    struct wanted wanted;
    if (!is_plain(name))
        return hearken_fail(error, -EINVAL, "%.100s: expected a name, without a slash", name);
    if (!store->from && !store->url && model_folder_find(name, there, sizeof(there))) {
        printf("%s\n", there);
        return 0;
    }
    int result = find_wanted(store, index, name, url, &wanted, error);
    if (result == 0)
        result = model_folder_make(error);
    if (result < 0)
        return result;
    if (!model_folder_file(wanted.file, target, sizeof(target)))
        return hearken_fail(error, -ENAMETOOLONG, "%s: %s", name, strerror(ENAMETOOLONG));
    const struct index_entry *entry = model_index_find(index, name);
    if (entry && entry->parts->name) {
        struct checkpoint_wish wish = {entry, target, store->from, wanted.addresses, store->quiet};
        result = model_checkpoint_get(&wish, error);
    } else if (store->from) {
        result = check_file(store->from, wanted.size, wanted.sha256, error);
        if (result == 0)
            result = copy_file(store->from, target, error);
    } else {
        struct download download = {
            .addresses = wanted.addresses,
            .target = target,
            .size = wanted.size,
            .sha256 = wanted.sha256,
            .quiet = store->quiet,
        };
        result = model_download(&download, error);
    }
    if (result == 0)
        printf("%s\n", target);
    return result;
}

/* ---- rm, verify, path ---- */

static const struct command_option no_options[] = {HEADING("Options")};

static int remove_model(const char *name, struct hearken_error *error)
{
    char path[PATH_MAX], folder[PATH_MAX];
    if (!is_plain(name) || !model_folder_find(name, path, sizeof(path)))
        return hearken_fail(error, -ENOENT, "%.100s: is not there", name);
    size_t length = hearken_models_folder(folder, sizeof(folder)) ? strlen(folder) : 0;
    if (length == 0 || strncmp(path, folder, length) != 0 || path[length] != '/')
        return hearken_fail(error, -EPERM, "%s: was not got by name, but installed: not removed",
                            path);
    return unlink(path) < 0 ? hearken_fail(error, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static int verify_model(const struct model_index *index, const char *name,
                        struct hearken_error *error)
{
    char path[PATH_MAX], sum[SHA256_TEXT];
    uint64_t size;
    const struct index_entry *entry = model_index_find(index, name);
    if (!model_folder_find(name, path, sizeof(path)))
        return hearken_fail(error, -ENOENT, "%.100s: is not there", name);
    if (entry && *entry->sha256) {
        int result = check_file(path, entry->size, entry->sha256, error);
        if (result == 0)
            printf("%s: good\n", name);
        return result;
    }
    int result = model_folder_hash(path, sum, &size, error);
    if (result == 0)
        printf("%s: %s, which no list has%s\n", name, sum,
               entry && entry->parts->name ? ": it was made here" : "");
    return result;
}

static int print_path(const char *name, struct hearken_error *error)
{
    char path[PATH_MAX];
    if (!model_folder_find(name, path, sizeof(path)))
        return hearken_fail(error, -ENOENT, "%.100s: is not there (hearken model get %.100s)", name,
                            name);
    puts(path);
    return 0;
}

/* ---- refresh ---- */

static int refresh(const char *address, struct hearken_error *error)
{
    char path[PATH_MAX];
    char *text = NULL;
    int result = model_folder_make(error);
    if (result == 0)
        result = model_download_text(address, LIST_BYTES_MAX, &text, error);
    if (result == 0)
        result = model_index_check(text, address, error);
    if (result == 0 && model_folder_file(OWN_LIST, path, sizeof(path)))
        result = atomic_file_write(path, text, strlen(text), error);
    free(text);
    return result;
}

/* ---- The commands ---- */

static int run_one(const struct command *command, const struct store *store,
                   const struct model_index *index, const char *name, struct hearken_error *error);

static int run_store(const struct command *command, int argc, char **argv)
{
    struct store store = {0};
    struct model_index *index = NULL;
    struct hearken_error error = {"out of memory"};
    int code = EXIT_GOOD;
    int count = options_parse(command, argc, argv, &store);
    if (count < 0)
        return options_exit_code(count);
    if (store.from && store.url)
        return usage_error(command, "--from and --url: choose one");
    if (store.sha256 && (strlen(store.sha256) != SHA256_TEXT - 1 ||
                         strspn(store.sha256, "0123456789abcdef") != SHA256_TEXT - 1))
        return usage_error(command, "--sha256 %.80s: expected 64 digits of 0 to 9 and a to f",
                           store.sha256);
    if (model_index_create(&index, &error) < 0) {
        message_error(NULL, error.message);
        return EXIT_FAILED;
    }
    for (int i = 0; i < count || (i == 0 && count == 0); i++) {
        if (run_one(command, &store, index, argv[i], &error) < 0) {
            message_error(NULL, error.message);
            code = EXIT_FAILED;
        }
    }
    model_index_destroy(index);
    return code;
}

static const struct command list_command = {
    .name = "model list",
    .operands = "",
    .summary = "List the models that can be had by name",
    .options = list_options,
    .option_count = OPTION_COUNT(list_options),
    .run = run_store,
};

static const struct command get_command = {
    .name = "model get",
    .operands = "NAME",
    .operands_minimum = 1,
    .operands_maximum = 1,
    .summary = "Get a model by its name, and print its path",
    .description = "A download that was interrupted goes on where it ended. The file appears under "
                   "its\nname when it is complete and its SHA-256 is right.\n",
    .examples = "  hearken model get whisper-small\n"
                "  hearken model get --from /media/usb/ggml-small.bin whisper-small\n"
                "  hearken model get --from /media/usb/whisper-small/ openai-whisper-small\n"
                "  hearken model get --url https://example.org/ours.gguf ours\n",
    .options = get_options,
    .option_count = OPTION_COUNT(get_options),
    .run = run_store,
};

static const struct command remove_command = {
    .name = "model rm",
    .operands = "NAME...",
    .operands_minimum = 1,
    .operands_maximum = INT_MAX,
    .summary = "Remove models that were got by name",
    .options = no_options,
    .option_count = OPTION_COUNT(no_options),
    .run = run_store,
};

static const struct command verify_command = {
    .name = "model verify",
    .operands = "NAME...",
    .operands_minimum = 1,
    .operands_maximum = INT_MAX,
    .summary = "Compare models with their SHA-256",
    .options = no_options,
    .option_count = OPTION_COUNT(no_options),
    .run = run_store,
};

static const struct command path_command = {
    .name = "model path",
    .operands = "[NAME]",
    .operands_maximum = 1,
    .summary = "Print the path of a model",
    .options = no_options,
    .option_count = OPTION_COUNT(no_options),
    .run = run_store,
};

static const struct command refresh_command = {
    .name = "model refresh",
    .operands = "URL",
    .operands_minimum = 1,
    .operands_maximum = 1,
    .summary = "Take over a list of models: {\"models\": [...]}",
    .options = no_options,
    .option_count = OPTION_COUNT(no_options),
    .run = run_store,
};

static const struct command *const store_commands[] = {
    &list_command, &get_command, &remove_command, &verify_command, &path_command, &refresh_command,
};

#define STORE_COMMAND_COUNT (sizeof(store_commands) / sizeof(store_commands[0]))

const struct command *store_command_at(size_t index)
{
    return index < STORE_COMMAND_COUNT ? store_commands[index] : NULL;
}

const struct command *store_command_find(const char *name)
{
    for (size_t i = 0; i < STORE_COMMAND_COUNT; i++)
        if (strcmp(store_commands[i]->name + strlen("model "), name) == 0)
            return store_commands[i];
    return NULL;
}

/* `name` is NULL where none was given. */
static int run_one(const struct command *command, const struct store *store,
                   const struct model_index *index, const char *name, struct hearken_error *error)
{
    if (command == &list_command)
        return list_models(store, index, error);
    if (command == &get_command)
        return get_model(store, index, name, error);
    if (command == &remove_command)
        return remove_model(name, error);
    if (command == &verify_command)
        return verify_model(index, name, error);
    if (command == &path_command)
        return print_path(name ? name : "", error);
    return refresh(name, error);
}
