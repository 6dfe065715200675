// SPDX-License-Identifier: MIT
/* What this machine has to offer: hearken devices, hearken plugins. */
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names come from drivers and configurations: replaces control characters. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    putchar('\n');
}

/* ---- Microphones ---- */

struct devices {
    bool json;
    bool headed;
};

static const struct command_option devices_options[] = {
    FLAG('\0', "json", offsetof(struct devices, json), "print one line of JSON per device"),
};

static void print_row(struct devices *devices, const struct hearken_device *device)
{
    if (!devices->headed)
        printf("  %5s  %-10s  %8s  %8s  %s\n", "INDEX", "SYSTEM", "CHANNELS", "RATE", "NAME");
    devices->headed = true;
    printf("%c %5u  %-10s  %8u  %8u  ", device->is_default ? '*' : ' ', device->index,
           device->system, (unsigned)device->channels, (unsigned)device->rate);
    print_clean(device->name);
}

static void print_object(const struct hearken_device *device)
{
    char *name = utf8_repair(device->name, strlen(device->name));
    json_t *object =
        json_pack("{s:I, s:s*, s:s, s:I, s:I, s:b}", "index", (json_int_t)device->index, "name",
                  name, "system", device->system, "channels", (json_int_t)device->channels, "rate",
                  (json_int_t)device->rate, "default", device->is_default);
    if (object)
        json_dumpf(object, stdout, 0);
    putchar('\n');
    json_decref(object);
    free(name);
}

static void print_device(void *context, const struct hearken_device *device)
{
    struct devices *devices = context;
    if (devices->json)
        print_object(device);
    else
        print_row(devices, device);
}

static int run_devices(const struct command *command, int argc, char **argv)
{
    struct devices devices = {0};
    struct hearken_error error;
    int operands = options_parse(command, argc, argv, &devices);
    if (operands < 0)
        return options_exit_code(operands);
    long count = hearken_devices_list(print_device, &devices, &error);
    if (count < 0)
        message_error(NULL, error.message);
    if (count == 0)
        message_error(NULL, "there is no microphone: found neither a sound card with an input nor "
                            "a sound server");
    return count > 0 ? EXIT_GOOD : EXIT_FAILED;
}

const struct command devices_command = {
    .name = "devices",
    .operands = "",
    .summary = "List the microphones, the default one marked with *",
    .description = "With --device, other commands take an index, a name, or a part of a name.\n"
                   "Exit status: 0 if there is a microphone, else 1.\n",
    .examples = "  hearken devices\n"
                "  hearken record --device usb -o memo.wav\n",
    .options = devices_options,
    .option_count = OPTION_COUNT(devices_options),
    .run = run_devices,
};

/* ---- Plugins ---- */

/* A plugin's report, with copies of its texts. */
struct plugin_row {
    char *name, *path, *description, *reason;
    int score;
};

struct plugins {
    bool verbose;
    struct hearken_backend_options backend;
    struct plugin_row *rows; /* as reported: the best one first */
    size_t count, usable;
    bool no_memory;
};

static const struct command_option plugins_options[] = {
    FLAG('v', "verbose", offsetof(struct plugins, verbose), "also print descriptions and paths"),
    PATH('\0', "plugin-dir", "DIR", offsetof(struct plugins, backend.plugin_directory),
         "the directory of the plugins (default: the installed one)"),
    STRING('\0', "cpu-mask", "LIST", offsetof(struct plugins, backend.cpu_mask),
           "instruction sets not to use, comma separated"),
};

static char *copy_or_null(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void add_plugin(void *context, const struct hearken_plugin_report *report)
{
    struct plugins *plugins = context;
    size_t size = (plugins->count + 1) * sizeof(*plugins->rows);
    struct plugin_row *rows = realloc(plugins->rows, size);
    if (!rows) {
        plugins->no_memory = true;
        return;
    }
    plugins->rows = rows;
    struct plugin_row *row = &rows[plugins->count++];
    *row = (struct plugin_row){
        .name = copy_or_null(report->name),
        .path = strdup(report->path),
        .description = copy_or_null(report->description),
        .reason = strdup(report->reason),
        .score = report->score,
    };
    plugins->no_memory |= !row->path || !row->reason;
    plugins->usable += report->score > 0;
}

/* A plugin that could not be loaded has no name but that of its file. */
static const char *label_of(const struct plugin_row *row)
{
    const char *slash = strrchr(row->path, '/');
    return row->name ? row->name : slash ? slash + 1 : row->path;
}

static void print_plugin(const struct plugin_row *row, int width, bool verbose)
{
    char score[16] = "-";
    if (row->score >= 0)
        snprintf(score, sizeof(score), "%d", row->score);
    printf("%-*s %6s  ", width, label_of(row), score);
    print_clean(row->reason);
    if (!verbose)
        return;
    if (row->description)
        printf("%-*s %6s  %s\n", width, "", "", row->description);
    printf("%-*s %6s  %s\n", width, "", "", row->path);
}

static void print_plugins(const struct plugins *plugins)
{
    int width = 12;
    for (size_t i = 0; i < plugins->count; i++) {
        int length = (int)strlen(label_of(&plugins->rows[i]));
        width = length > width ? length : width;
    }
    if (plugins->count > 0)
        printf("%-*s %6s  %s\n", width, "PLUGIN", "SCORE", "REASON");
    for (size_t i = 0; i < plugins->count; i++)
        print_plugin(&plugins->rows[i], width, plugins->verbose);
}

static void plugins_finish(struct plugins *plugins)
{
    for (size_t i = 0; i < plugins->count; i++) {
        free(plugins->rows[i].name);
        free(plugins->rows[i].path);
        free(plugins->rows[i].description);
        free(plugins->rows[i].reason);
    }
    free(plugins->rows);
}

static int list_plugins(struct plugins *plugins)
{
    struct hearken_error error;
    int result = hearken_plugins_list(&plugins->backend, add_plugin, plugins, &error);
    if (result == 0 && plugins->no_memory)
        result = hearken_fail(&error, -ENOMEM, "%s", strerror(ENOMEM));
    if (result < 0) {
        message_error(NULL, error.message);
        return EXIT_FAILED;
    }
    print_plugins(plugins);
    if (plugins->usable == 0) {
        message_error(plugins->count ? NULL : plugins->backend.plugin_directory,
                      plugins->count ? "no plugin can run here" : "there are no plugins");
        return EXIT_FAILED;
    }
    return EXIT_GOOD;
}

static int run_plugins(const struct command *command, int argc, char **argv)
{
    struct plugins plugins = {0};
    hearken_backend_options_init(&plugins.backend);
    int count = options_parse(command, argc, argv, &plugins);
    if (count < 0)
        return options_exit_code(count);
    int result = list_plugins(&plugins);
    plugins_finish(&plugins);
    return result;
}

const struct command plugins_command = {
    .name = "plugins",
    .operands = "",
    .summary = "List the compute plugins, the preferred one first",
    .description = "A plugin with score 0 cannot run on this machine, one with - could not be "
                   "loaded; the\nreason says why. Exit status: 0 if a plugin can run, else 1.\n",
    .examples = "  hearken plugins\n"
                "  hearken plugins --cpu-mask avx512\n",
    .options = plugins_options,
    .option_count = OPTION_COUNT(plugins_options),
    .run = run_plugins,
};
