// SPDX-License-Identifier: MIT
#include "daemon/client/program/client_options.h"

#include "daemon/client/program/standard_error.h"
#include "include/internal/option_error.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_BYTES 4096 /* a longer one is cut */

int usage_error(const struct command *command, const char *format, ...)
{
    va_list arguments;
    char message[MESSAGE_BYTES];
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    utf8_clean(message);
    fprintf(stderr, "hearken %s: %s (see hearken help %s)\n", command->name, message,
            command->name);
    return EXIT_USAGE;
}

int options_exit_code(int result)
{
    return result == -ECANCELED ? EXIT_GOOD : EXIT_USAGE;
}

/* ---- Help ---- */

#define HELP_COLUMN 30
#define HELP_WIDTH  90

/* Wraps at spaces; every line starts at `column`. */
static void print_wrapped(FILE *file, const char *text, int column)
{
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > HELP_WIDTH) {
            fprintf(file, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(file, "%s%.*s", at > column ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

static void print_option(const struct command_option *option, FILE *file)
{
    if (option->kind == OPTION_HEADING) {
        fprintf(file, "\n%s:\n", option->name);
        return;
    }
    char letter[5] = "    ";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    int width = fprintf(file, "  %s--%s%s%s", letter, option->name, option->argument ? " " : "",
                        option->argument ? option->argument : "");
    if (width >= HELP_COLUMN)
        fprintf(file, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(file, "%*s", HELP_COLUMN - width, "");
    print_wrapped(file, option->help, HELP_COLUMN);
}

void options_help(const struct command *command, FILE *file)
{
    fprintf(file, "usage: hearken %s%s%s%s\n\n%s.\n", command->name,
            command->option_count > 0 ? " [OPTION...]" : "", *command->operands ? " " : "",
            command->operands, command->summary);
    if (command->description)
        fprintf(file, "\n%s", command->description);
    bool headed = command->option_count > 0 && command->options[0].kind == OPTION_HEADING;
    if (!headed)
        fprintf(file, "\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i], file);
    fprintf(file, "  -h, --help                  this text\n");
    if (command->examples)
        fprintf(file, "\nExamples:\n%s", command->examples);
}

/* ---- Reading ---- */

static int set_unsigned(const struct command *command, const struct command_option *option,
                        const char *value, unsigned *field)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || number < option->minimum ||
        number > option->maximum) {
        usage_error(command, "--%s %s: expected a number %u..%u", option->name, value,
                    option->minimum, option->maximum);
        return -EINVAL;
    }
    *field = (unsigned)number;
    return 0;
}

static int set_seconds(const struct command *command, const struct command_option *option,
                       const char *value, struct option_seconds *field)
{
    char *end;
    bool plain = *value && !value[strspn(value, "0123456789.eE+-")]; /* strtod also takes "inf" */
    double number = strtod(value, &end);
    if (!plain || *end || !(number >= 0 && number <= OPTION_SECONDS_MAX)) {
        usage_error(command, "--%s %s: expected seconds, 0..%d", option->name, value,
                    OPTION_SECONDS_MAX);
        return -EINVAL;
    }
    *field = (struct option_seconds){.set = true, .value = number};
    return 0;
}

static int set_choice(const struct command *command, const struct command_option *option,
                      const char *value, unsigned *field)
{
    char list[128] = "";
    for (unsigned i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *field = i;
            return 0;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", option->choices[i]);
    }
    usage_error(command, "--%s %s: expected one of: %s", option->name, value, list);
    return -EINVAL;
}

static bool is_file(const struct command_option *option, const char *value)
{
    if (strcmp(value, "-") == 0)
        return true;
    size_t length = strlen(value);
    for (size_t i = 0; option->choices[i]; i++) {
        size_t ending = strlen(option->choices[i]);
        if (length >= ending && strcasecmp(value + length - ending, option->choices[i]) == 0)
            return true;
    }
    return false;
}

static int set_file(const struct command *command, const struct command_option *option,
                    const char *value, const char **field)
{
    if (!is_file(option, value)) {
        usage_error(command, "--%s=%s: expected %s", option->name, value, option->argument);
        return -EINVAL;
    }
    *field = value;
    return 0;
}

static int set_path(const struct command *command, const struct command_option *option,
                    const char *value, const char **field)
{
    if (!*value) {
        usage_error(command, "--%s: expected %s, got an empty argument", option->name,
                    option->argument);
        return -EINVAL;
    }
    *field = value;
    return 0;
}

static int append(const struct command *command, const struct command_option *option,
                  const char *value, struct option_list *list)
{
    if (list->count == OPTION_LIST_MAX) {
        usage_error(command, "--%s: more than %d of them", option->name, OPTION_LIST_MAX);
        return -EINVAL;
    }
    list->items[list->count++] = value;
    return 0;
}

static int set_option(const struct command *command, const struct command_option *option,
                      const char *value, void *target)
{
    void *field = (char *)target + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_STRING:
        *(const char **)field = value;
        return 0;
    case OPTION_PATH:
        return set_path(command, option, value, field);
    case OPTION_FILE:
        return set_file(command, option, value, field);
    case OPTION_UNSIGNED:
        return set_unsigned(command, option, value, field);
    case OPTION_SECONDS:
        return set_seconds(command, option, value, field);
    case OPTION_CHOICE:
        return set_choice(command, option, value, field);
    case OPTION_LIST:
        return append(command, option, value, field);
    case OPTION_HEADING:
        break;
    }
    return -EINVAL;
}

/* ---- With getopt ---- */

enum {
    CODE_OPERAND = 1, /* getopt's own */
    CODE_HELP = 'h',
    CODE_FIRST = 256, /* plus the index in the command's table */
};

/* What getopt_long takes: the command's table in its form. */
struct getopt_form {
    struct option names[OPTION_COUNT_MAX + 2];
    char letters[2 * OPTION_COUNT_MAX + 8];
};

static void fill_form(const struct command *command, struct getopt_form *form)
{
    /* "-": operands are returned in order, as CODE_OPERAND. ":": a missing value is returned as
     * ':', not '?'. */
    size_t count = 0, used = (size_t)sprintf(form->letters, "-:h");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        if (option->kind == OPTION_HEADING)
            continue;
        bool flag = option->kind == OPTION_FLAG;
        form->names[count++] = (struct option){
            .name = option->name,
            .has_arg = flag                          ? no_argument
                       : option->kind == OPTION_FILE ? optional_argument
                                                     : required_argument,
            .val = CODE_FIRST + (int)i,
        };
        if (option->letter)
            used += (size_t)sprintf(form->letters + used, "%c%s", option->letter, flag ? "" : ":");
    }
    form->names[count++] = (struct option){.name = "help", .val = CODE_HELP};
    form->names[count] = (struct option){0};
}

/* The option of what getopt_long returns or leaves in optopt, or NULL. */
static const struct command_option *find_option(const struct command *command, int code)
{
    if (code >= CODE_FIRST)
        return &command->options[code - CODE_FIRST];
    for (size_t i = 0; code > 0 && i < command->option_count; i++)
        if (command->options[i].kind != OPTION_HEADING && command->options[i].letter == code)
            return &command->options[i];
    return NULL;
}

/* `text`: the argument at which getopt_long found '?' or ':'. */
static int refuse(const struct command *command, const struct getopt_form *form, int code,
                  const char *text)
{
    char message[512];
    const struct command_option *option = find_option(command, optopt);
    const char *name = option ? option->name : optopt == CODE_HELP ? "help" : NULL;
    option_error(form->names, code, text, name, option ? option->argument : NULL, message,
                 sizeof(message));
    usage_error(command, "%s", message);
    return -EINVAL;
}

/* The value of the option just read; NULL for a flag. An OPTION_FILE without "=FILE" takes the next
 * argument if that names such a file, else "-". */
static const char *find_value(const struct command_option *option, char *const *argv)
{
    if (option->kind != OPTION_FILE || optarg)
        return optarg;
    const char *next = argv[optind];
    if (!next || !is_file(option, next))
        return "-";
    optind++;
    return next;
}

static int check_operands(const struct command *command, int count, char **argv)
{
    if (count < command->operands_minimum) {
        usage_error(command, "expected %s", command->operands);
        return -EINVAL;
    }
    if (count > command->operands_maximum) {
        usage_error(command, "unexpected %s", argv[command->operands_maximum]);
        return -EINVAL;
    }
    return count;
}

int options_parse(const struct command *command, int argc, char **argv, void *target)
{
    struct getopt_form form;
    int operands = 0, code;
    fill_form(command, &form);
    optind = 0; /* start afresh, as glibc has it */
    opterr = 0;
    for (;;) {
        int at = optind > 0 ? optind : 1;
        code = getopt_long(argc, argv, form.letters, form.names, NULL);
        if (code < 0)
            break;
        const struct command_option *option = find_option(command, code);
        if (code == CODE_OPERAND) {
            argv[operands++] = optarg;
        } else if (code == CODE_HELP) {
            options_help(command, stdout);
            return -ECANCELED;
        } else if (!option) {
            return refuse(command, &form, code, argv[at]);
        } else {
            int result = set_option(command, option, find_value(option, argv), target);
            if (result < 0)
                return result;
        }
    }
    while (optind < argc)
        argv[operands++] = argv[optind++];
    argv[operands] = NULL;
    return check_operands(command, operands, argv);
}
