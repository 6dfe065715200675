// SPDX-License-Identifier: MIT
/* Scripts by which shells complete command lines, made from the tables of options. */
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <stdio.h>
#include <string.h>

/* ---- What both shells and people see ---- */

/* The first part of a help text, without what a shell would take apart. */
static void print_short_help(const char *help)
{
    size_t length = strcspn(help, "(;:\n");
    for (size_t i = 0; i < length && i < 70; i++)
        if (!strchr("'\"\\[]$`", help[i]))
            putchar(help[i]);
}

static bool has_value(const struct command_option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_HEADING;
}

/* The word behind `command` in the name of one of its parts, "get" of "model get"; else NULL. */
static const char *part_of(const struct command *command, const struct command *part)
{
    size_t length = strlen(command->name);
    bool is_part = strncmp(part->name, command->name, length) == 0 && part->name[length] == ' ';
    return is_part ? part->name + length + 1 : NULL;
}

static bool has_parts(const struct command *command)
{
    const struct command *other;
    for (size_t i = 0; (other = command_at(i)); i++)
        if (part_of(command, other))
            return true;
    return false;
}

static void print_parts(const struct command *command)
{
    const struct command *other;
    for (size_t i = 0; (other = command_at(i)); i++)
        if (part_of(command, other))
            printf(" %s", part_of(command, other));
}

/* ---- bash ---- */

static void print_words(const struct command_option *option)
{
    for (size_t i = 0; option->choices[i]; i++)
        printf("%s%s", i > 0 ? " " : "", option->choices[i]);
}

static void print_bash_command(const struct command *command)
{
    printf("    '%s')\n        options='--help", command->name);
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].kind != OPTION_HEADING)
            printf(" --%s", command->options[i].name);
    printf("'\n        case $previous in\n");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        if (option->kind == OPTION_CHOICE) {
            printf("        --%s) words='", option->name);
            print_words(option);
            printf("' ;;\n");
        } else if (has_value(option) && strcmp(option->name, "model") == 0) {
            printf("        --model) words=$(hearken model list --installed 2>/dev/null |"
                   " awk 'NR > 1 { print $1 }') ;;\n");
        }
    }
    printf("        esac ;;\n");
}

static void print_bash(void)
{
    const struct command *command;
    printf("# bash completion for hearken, made by `hearken completion bash`\n"
           "_hearken() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local command=${COMP_WORDS[1]} options='' words=''\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; (command = command_at(i)); i++)
        if (!strchr(command->name, ' '))
            printf("%s%s", i > 0 ? " " : "", command->name);
    printf("' -- \"$current\")\n"
           "        return\n"
           "    fi\n"
           "    if [ \"$COMP_CWORD\" -gt 2 ]; then\n"
           "        case \"$command ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; (command = command_at(i)); i++)
        if (strchr(command->name, ' '))
            printf("        '%s') command='%s' ;;\n", command->name, command->name);
    printf("        esac\n"
           "    fi\n"
           "    case $command in\n");
    for (size_t i = 0; (command = command_at(i)); i++)
        print_bash_command(command);
    printf("    esac\n");
    for (size_t i = 0; (command = command_at(i)); i++) {
        if (!has_parts(command))
            continue;
        printf("    if [ \"$command\" = %s ] && [ \"$COMP_CWORD\" -eq 2 ]; then\n"
               "        words='",
               command->name);
        print_parts(command);
        printf("'\n"
               "    fi\n");
    }
    printf("    if [ -n \"$words\" ] && [[ $current != -* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    elif [[ $current = -* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
           "    else\n"
           "        compopt -o filenames\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
           "    fi\n"
           "}\n"
           "complete -F _hearken hearken\n");
}

/* ---- zsh ---- */

static void print_zsh_option(const struct command_option *option)
{
    printf(" \\\n            '%s--%s%s[", option->kind == OPTION_LIST ? "*" : "", option->name,
           has_value(option) ? "=" : "");
    print_short_help(option->help);
    printf("]");
    if (option->kind == OPTION_CHOICE) {
        printf(":%s:(", option->argument);
        print_words(option);
        printf(")");
    } else if (has_value(option)) {
        printf(":%s:%s", option->name,
               option->kind == OPTION_PATH || option->kind == OPTION_FILE ? "_files" : " ");
    }
    printf("'");
}

static void print_zsh(void)
{
    const struct command *command;
    printf("#compdef hearken\n"
           "# zsh completion for hearken, made by `hearken completion zsh`\n"
           "_hearken() {\n"
           "    local -a commands\n"
           "    commands=(\n");
    for (size_t i = 0; (command = command_at(i)); i++) {
        if (strchr(command->name, ' '))
            continue;
        printf("        '%s:", command->name);
        print_short_help(command->summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words; (( CURRENT-- ))\n"
           "    if (( CURRENT > 2 )); then\n"
           "        case \"$command $words[2]\" in\n");
    for (size_t i = 0; (command = command_at(i)); i++)
        if (strchr(command->name, ' '))
            printf("        '%s') command='%s'; shift words; (( CURRENT-- )) ;;\n", command->name,
                   command->name);
    printf("        esac\n"
           "    fi\n"
           "    case $command in\n");
    for (size_t i = 0; (command = command_at(i)); i++) {
        printf("    '%s')\n        _arguments '--help[how it is used]'", command->name);
        for (size_t j = 0; j < command->option_count; j++)
            if (command->options[j].kind != OPTION_HEADING)
                print_zsh_option(&command->options[j]);
        if (has_parts(command)) {
            printf(" \\\n            '1:part:(");
            print_parts(command);
            printf(")'");
        } else {
            printf(" \\\n            '*:file:_files'");
        }
        printf(" ;;\n");
    }
    printf("    esac\n"
           "}\n"
           "_hearken \"$@\"\n");
}

/* ---- fish ---- */

static void print_fish_option(const struct command *command, const struct command_option *option)
{
    const char *part = strchr(command->name, ' ');
    printf("complete -c hearken -n '__fish_seen_subcommand_from %.*s",
           (int)strcspn(command->name, " "), command->name);
    if (part)
        printf("; and __fish_seen_subcommand_from %s", part + 1);
    printf("' -l %s", option->name);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (option->kind == OPTION_CHOICE) {
        printf(" -x -a '");
        print_words(option);
        printf("'");
    } else if (has_value(option)) {
        printf(" -r");
    }
    printf(" -d '");
    print_short_help(option->help);
    printf("'\n");
}

static void print_fish(void)
{
    const struct command *command;
    printf("# fish completion for hearken, made by `hearken completion fish`\n");
    for (size_t i = 0; (command = command_at(i)); i++) {
        const char *part = strchr(command->name, ' ');
        if (part)
            printf("complete -c hearken -n '__fish_seen_subcommand_from %.*s' -a %s -d '",
                   (int)(part - command->name), command->name, part + 1);
        else
            printf("complete -c hearken -n __fish_use_subcommand -f -a %s -d '", command->name);
        print_short_help(command->summary);
        printf("'\n");
        for (size_t j = 0; j < command->option_count; j++)
            if (command->options[j].kind != OPTION_HEADING)
                print_fish_option(command, &command->options[j]);
    }
}

/* ---- The command ---- */

static int run_completion(const struct command *command, int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    int count = options_parse(command, argc, argv, NULL);
    if (count < 0)
        return options_exit_code(count);
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(argv[0], shells[i].name) == 0) {
            shells[i].print();
            return EXIT_GOOD;
        }
    }
    return usage_error(command, "%.60s: expected bash, zsh or fish", argv[0]);
}

const struct command completion_command = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .operands_minimum = 1,
    .operands_maximum = 1,
    .summary = "Print a script by which a shell completes command lines",
    .description = "make install puts them where the shells look for them.\n",
    .examples = "  source <(hearken completion bash)\n",
    .run = run_completion,
};
