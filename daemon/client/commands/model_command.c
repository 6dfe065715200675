// SPDX-License-Identifier: MIT
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/installed_hint.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Contents of the file, collected before they are printed ---- */

/* A key or a tensor. */
struct item {
    char *name, *type, *text; /* text: the value of a key, the shape of a tensor */
    bool tensor;
    unsigned long long bytes;
};

struct contents {
    size_t count, capacity;
    struct item *items;
    int result;
};

struct model {
    bool tensors;
};

static const struct command_option model_options[] = {
    FLAG('t', "tensors", offsetof(struct model, tensors),
         "list every tensor: type, shape, bytes, name"),
};

static int add(struct contents *contents, const struct hearken_model_item *from)
{
    if (contents->count == contents->capacity) {
        size_t capacity = contents->capacity ? contents->capacity * 2 : 256;
        struct item *items = realloc(contents->items, capacity * sizeof(*items));
        if (!items)
            return -ENOMEM;
        contents->items = items;
        contents->capacity = capacity;
    }
    struct item *item = &contents->items[contents->count++];
    *item = (struct item){
        .name = strdup(from->name),
        .type = strdup(from->type),
        .text = strdup(from->shape ? from->shape : from->value),
        .tensor = from->shape,
        .bytes = from->bytes,
    };
    return item->name && item->type && item->text ? 0 : -ENOMEM;
}

static void on_item(void *context, const struct hearken_model_item *item)
{
    struct contents *contents = context;
    if (contents->result == 0)
        contents->result = add(contents, item);
}

static void contents_finish(struct contents *contents)
{
    for (size_t i = 0; i < contents->count; i++) {
        free(contents->items[i].name);
        free(contents->items[i].type);
        free(contents->items[i].text);
    }
    free(contents->items);
}

/* ---- Metadata, in groups ---- */

/* Keys with the same prefix are shown together, without the prefix. */
static const struct group {
    const char *prefix, *title;
} groups[] = {
    {"general.", "General"},
    {"hearken.features.", "Features"},
    {"hearken.listener.", "Listener"},
    {"hearken.speller.", "Speller"},
    {"hearken.", "Other settings of the network"},
    {"tokenizer.", "Vocabulary"},
    {"", "Other"},
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static size_t group_of(const char *name)
{
    size_t i = 0;
    while (strncmp(name, groups[i].prefix, strlen(groups[i].prefix)) != 0)
        i++; /* the last prefix matches all */
    return i;
}

/* The file is not trusted: replaces control characters. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static void print_key(const struct item *item, size_t skipped)
{
    const char *name = item->name + skipped;
    int width = (int)strlen(name);
    printf("  ");
    print_clean(name);
    printf("%*s", width < 28 ? 28 - width : 1, "");
    print_clean(item->text);
    putchar('\n');
}

static void print_metadata(const struct contents *contents)
{
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        bool headed = false;
        for (size_t i = 0; i < contents->count; i++) {
            const struct item *item = &contents->items[i];
            if (item->tensor || group_of(item->name) != group)
                continue;
            if (!headed)
                printf("%s\n", groups[group].title);
            headed = true;
            print_key(item, strlen(groups[group].prefix));
        }
        if (headed)
            putchar('\n');
    }
}

/* ---- Tensors ---- */

static void print_bytes(unsigned long long bytes)
{
    if (bytes < 10240)
        printf("%llu bytes", bytes);
    else if (bytes < 10240ull * 1024)
        printf("%.1f KiB", (double)bytes / 1024);
    else
        printf("%.1f MiB", (double)bytes / (1024 * 1024));
}

/* Prints one line per type; does nothing unless `first` is the first tensor of its type. */
static void print_type(const struct contents *contents, size_t first)
{
    unsigned long long bytes = 0;
    size_t count = 0;
    const char *type = contents->items[first].type;
    for (size_t i = 0; i < contents->count; i++) {
        const struct item *item = &contents->items[i];
        if (!item->tensor || strcmp(item->type, type) != 0)
            continue;
        if (i < first)
            return;
        count++;
        bytes += item->bytes;
    }
    printf("  %-27s %zu, ", type, count);
    print_bytes(bytes);
    putchar('\n');
}

static void print_summary(const struct contents *contents)
{
    unsigned long long bytes = 0;
    size_t count = 0;
    for (size_t i = 0; i < contents->count; i++)
        if (contents->items[i].tensor) {
            count++;
            bytes += contents->items[i].bytes;
        }
    printf("Tensors\n");
    for (size_t i = 0; i < contents->count; i++)
        if (contents->items[i].tensor)
            print_type(contents, i);
    printf("  %-27s %zu, ", "all", count);
    print_bytes(bytes);
    putchar('\n');
}

static void print_tensors(const struct contents *contents)
{
    printf("\n  %-6s %-20s %12s  %s\n", "TYPE", "SHAPE", "BYTES", "NAME");
    for (size_t i = 0; i < contents->count; i++) {
        const struct item *item = &contents->items[i];
        if (!item->tensor)
            continue;
        printf("  %-6s %-20s %12llu  ", item->type, item->text, item->bytes);
        print_clean(item->name);
        putchar('\n');
    }
}

/* ---- The command ---- */

static int inspect(const struct model *options, const char *path)
{
    struct contents contents = {0};
    struct hearken_error error;
    int result = hearken_model_inspect(path, on_item, &contents, &error);
    if (result < 0) {
        installed_hint_add(path, result, &error);
        message_error(path, error.message);
    } else if (contents.result < 0) {
        message_error(path, strerror(-contents.result));
    } else {
        printf("%s\n\n", path);
        print_metadata(&contents);
        print_summary(&contents);
        if (options->tensors)
            print_tensors(&contents);
    }
    result = result < 0 ? result : contents.result;
    contents_finish(&contents);
    return result < 0 ? EXIT_FAILED : EXIT_GOOD;
}

static int run_model(const struct command *command, int argc, char **argv)
{
    struct model options = {0};
    const struct command *part = argc > 1 ? store_command_find(argv[1]) : NULL;
    if (part)
        return part->run(part, argc - 1, argv + 1);
    int count = options_parse(command, argc, argv, &options);
    if (count < 0)
        return options_exit_code(count);
    char path[PATH_MAX];
    if (!hearken_find_model(count == 0 ? NULL : argv[0], path, sizeof(path))) {
        message_error(NULL, strerror(ENAMETOOLONG));
        return EXIT_FAILED;
    }
    return inspect(&options, path);
}

const struct command model_command = {
    .name = "model",
    .operands = "[FILE]",
    .operands_maximum = 1,
    .summary = "Show what is in a model file; list, get, rm, verify, path, refresh: get models",
    .description = "FILE is any GGUF file or the name of an installed model. Without FILE, the "
                   "default model.\n"
                   "\n"
                   "hearken model list            models that can be had by name\n"
                   "hearken model get NAME        get one\n"
                   "hearken model rm NAME...      remove what was got\n"
                   "hearken model verify NAME...  compare with the SHA-256\n"
                   "hearken model path [NAME]     print where it is\n"
                   "hearken model refresh URL     take over a list of models\n",
    .examples = "  hearken model\n"
                "  hearken model --tensors hearken-en-light\n"
                "  hearken model get whisper-small\n",
    .options = model_options,
    .option_count = OPTION_COUNT(model_options),
    .run = run_model,
};
