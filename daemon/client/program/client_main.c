// SPDX-License-Identifier: MIT
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/standard_streams.h"

#include <hearken/hearken.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int run_version(const struct command *command, int argc, char **argv);
static int run_help(const struct command *command, int argc, char **argv);

static const struct command version_command = {
    .name = "version",
    .operands = "",
    .summary = "Print the version",
    .run = run_version,
};

static const struct command help_command = {
    .name = "help",
    .operands = "[COMMAND]",
    .operands_maximum = 1,
    .summary = "Say how a command is used",
    .run = run_help,
};

static const struct command *const commands[] = {
    &transcribe_command, &batch_command,  &listen_command,  &start_command,  &stop_command,
    &toggle_command,     &record_command, &devices_command, &status_command, &web_command,
    &plugins_command,    &model_command,  &sound_command,   &doctor_command, &completion_command,
    &version_command,    &help_command,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct command *command_at(size_t index)
{
    size_t parts = 0;
    while (batch_part_at(parts))
        parts++;
    if (index < COMMAND_COUNT)
        return commands[index];
    index -= COMMAND_COUNT;
    return index < parts ? batch_part_at(index) : store_command_at(index - parts);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_overview(FILE *file)
{
    fprintf(file, "usage: hearken COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "Offline speech recognition: the client of hearkend.\n\n"
                  "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(file, "\nExamples:\n"
                  "  hearken transcribe speech.flac\n"
                  "  hearken transcribe --local speech.flac     without a daemon\n"
                  "  hearken transcribe -f srt -o film.srt film.wav\n"
                  "  hearken listen --meter\n"
                  "  hearken record -o memo.wav\n"
                  "  hearken status\n"
                  "  hearken web                                live text in a browser\n"
                  "  hearken doctor                             what is missing, what to do\n"
                  "\n"
                  "hearken help COMMAND says more; so do the manual pages hearken(1), hearkend(8)\n"
                  "and hearkend.conf(5).\n");
}

static int run_version(const struct command *command, int argc, char **argv)
{
    int count = options_parse(command, argc, argv, NULL);
    if (count < 0)
        return options_exit_code(count);
    printf("hearken %s\n", hearken_version());
    return EXIT_GOOD;
}

static int unknown_command(const char *name)
{
    char line[512];
    snprintf(line, sizeof(line), "no command %.400s (see hearken help)",
             *name ? name : "of an empty name");
    message_error(NULL, line);
    return EXIT_USAGE;
}

/* Only where the daemon is may be said first. */
static int expected_command(const char *option)
{
    char line[512];
    snprintf(line, sizeof(line), "expected a command, got %.400s (see hearken help)", option);
    message_error(NULL, line);
    return EXIT_USAGE;
}

static int run_help(const struct command *command, int argc, char **argv)
{
    int count = options_parse(command, argc, argv, NULL);
    if (count < 0)
        return options_exit_code(count);
    if (count == 0) {
        print_overview(stdout);
        return EXIT_GOOD;
    }
    const struct command *asked = find_command(argv[0]);
    if (!asked)
        return unknown_command(argv[0]);
    options_help(asked, stdout);
    return EXIT_GOOD;
}

/* How many arguments the address option at argv[0] takes up; 0: it is none. */
static int address_length(char *const *argv)
{
    static const char *const names[] = {"--socket", "--tcp"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(argv[0], names[i], length) != 0)
            continue;
        if (argv[0][length] == '=')
            return 1;
        if (argv[0][length] == '\0' && argv[1])
            return 2;
    }
    return 0;
}

/* "hearken --socket PATH COMMAND" is "hearken COMMAND --socket PATH": where the daemon is may be
 * said first. Moves the command before such options. */
static void bring_command_forward(char **argv)
{
    char **command = argv + 1;
    while (*command && address_length(command) > 0)
        command += address_length(command);
    char *name = *command;
    if (!name)
        return;
    memmove(argv + 2, argv + 1, (size_t)(command - argv - 1) * sizeof(*argv));
    argv[1] = name;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    bring_command_forward(argv);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct command *command = find_command(name);
    if (!command)
        return name[0] == '-' ? expected_command(name) : unknown_command(name);
    return command->run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    if (standard_streams_occupy() < 0)
        return EXIT_FAILED;
    int code = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        message_error(NULL, "standard output could not be written");
        return code ? code : EXIT_FAILED;
    }
    return code;
}
