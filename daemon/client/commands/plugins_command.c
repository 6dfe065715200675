// SPDX-License-Identifier: MIT
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <hearken/hearken.h>
#include <stdio.h>

struct plugins {
    bool verbose;
    struct hearken_backend_options backend;
    size_t count, usable; /* plugins reported */
};

#define FIELD(name) offsetof(struct plugins, name)

static const struct command_option plugins_options[] = {
    FLAG('v', "verbose", FIELD(verbose), "also print descriptions and paths"),
    STRING('\0', "plugin-dir", "DIR", FIELD(backend.plugin_directory),
           "the directory of the plugins (default: the installed one)"),
    STRING('\0', "cpu-mask", "LIST", FIELD(backend.cpu_mask),
           "instruction sets not to use, comma separated"),
};

static void print_plugin(void *context, const struct hearken_plugin_report *report)
{
    struct plugins *plugins = context;
    const char *name = report->name ? report->name : report->path;
    if (plugins->count++ == 0)
        printf("%-12s %6s  %s\n", "PLUGIN", "SCORE", "REASON");
    plugins->usable += report->score > 0;
    if (report->score < 0)
        printf("%-12s %6s  %s\n", name, "-", report->reason);
    else
        printf("%-12s %6d  %s\n", name, report->score, report->reason);
    if (plugins->verbose && report->description)
        printf("%-12s %6s  %s\n", "", "", report->description);
    if (plugins->verbose && report->name)
        printf("%-12s %6s  %s\n", "", "", report->path);
}

static int run_plugins(const struct command *command, int argc, char **argv)
{
    struct plugins plugins = {0};
    struct hearken_error error;
    hearken_backend_options_init(&plugins.backend);
    int count = options_parse(command, argc, argv, &plugins);
    if (count < 0)
        return options_exit_code(count);
    if (hearken_plugins_list(&plugins.backend, print_plugin, &plugins, &error) < 0) {
        message_error(NULL, error.message);
        return EXIT_FAILED;
    }
    if (plugins.usable == 0) {
        const char *directory = plugins.backend.plugin_directory;
        message_error(plugins.count ? NULL : directory,
                      plugins.count ? "no plugin can run here" : "there are no plugins");
        return EXIT_FAILED;
    }
    return EXIT_GOOD;
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
