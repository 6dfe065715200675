// SPDX-License-Identifier: MIT
#include "daemon/client/program/client_options.h"

#include "daemon/client/program/message.h"
#include "include/internal/utf8.h"

#include <errno.h>
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

/* Wraps at words; the first line starts at column `column`, the next ones too. */
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

static void print_option(const struct option *option, FILE *file)
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

/* One option as it stands on the line: "--name", "--name=value", "-n" or "-nvalue". */
struct occurrence {
    const struct option *option;
    const char *value; /* attached, or NULL */
};

static const struct option *find_long(const struct command *command, const char *name,
                                      size_t length)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option *option = &command->options[i];
        if (option->kind != OPTION_HEADING && strlen(option->name) == length &&
            memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}

static const struct option *find_letter(const struct command *command, char letter)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].kind != OPTION_HEADING && letter &&
            command->options[i].letter == letter)
            return &command->options[i];
    return NULL;
}

static int find_option(const struct command *command, const char *text, struct occurrence *found)
{
    if (text[1] == '-') {
        size_t length = strcspn(text + 2, "=");
        found->option = find_long(command, text + 2, length);
        found->value = text[2 + length] ? text + 2 + length + 1 : NULL;
    } else {
        found->option = find_letter(command, text[1]);
        found->value = text[2] ? text + 2 : NULL;
    }
    if (!found->option) {
        usage_error(command, "no option %s", text);
        return -EINVAL;
    }
    return 0;
}

static int set_unsigned(const struct command *command, const struct option *option,
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

static int set_seconds(const struct command *command, const struct option *option,
                       const char *value, struct option_seconds *field)
{
    char *end;
    bool plain = *value && !value[strspn(value, "0123456789.")]; /* strtod also takes "inf" */
    double number = strtod(value, &end);
    if (!plain || *end || number > OPTION_SECONDS_MAX) {
        usage_error(command, "--%s %s: expected seconds, 0..%d", option->name, value,
                    OPTION_SECONDS_MAX);
        return -EINVAL;
    }
    *field = (struct option_seconds){.set = true, .value = number};
    return 0;
}

static int set_choice(const struct command *command, const struct option *option, const char *value,
                      unsigned *field)
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

static bool is_file(const struct option *option, const char *value)
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

static int set_file(const struct command *command, const struct option *option, const char *value,
                    const char **field)
{
    if (!is_file(option, value)) {
        usage_error(command, "--%s=%s: expected %s", option->name, value, option->argument);
        return -EINVAL;
    }
    *field = value;
    return 0;
}

static int append(const struct command *command, const struct option *option, const char *value,
                  struct option_list *list)
{
    if (list->count == OPTION_LIST_MAX) {
        usage_error(command, "--%s: more than %d of them", option->name, OPTION_LIST_MAX);
        return -EINVAL;
    }
    list->items[list->count++] = value;
    return 0;
}

static int set_option(const struct command *command, const struct occurrence *found, void *target)
{
    const struct option *option = found->option;
    void *field = (char *)target + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_STRING:
        *(const char **)field = found->value;
        return 0;
    case OPTION_FILE:
        return set_file(command, option, found->value, field);
    case OPTION_UNSIGNED:
        return set_unsigned(command, option, found->value, field);
    case OPTION_SECONDS:
        return set_seconds(command, option, found->value, field);
    case OPTION_CHOICE:
        return set_choice(command, option, found->value, field);
    case OPTION_LIST:
        return append(command, option, found->value, field);
    case OPTION_HEADING:
        break;
    }
    return -EINVAL;
}

/* Reads the option at argv[*at], with its value from the next argument if need be. */
static int read_option(const struct command *command, char **argv, int *at, void *target)
{
    struct occurrence found;
    int result = find_option(command, argv[*at], &found);
    if (result < 0)
        return result;
    bool flag = found.option->kind == OPTION_FLAG;
    if (flag && found.value) {
        usage_error(command, "--%s takes no value", found.option->name);
        return -EINVAL;
    }
    bool optional = found.option->kind == OPTION_FILE && !found.value;
    if (optional && !(argv[*at + 1] && is_file(found.option, argv[*at + 1])))
        found.value = "-";
    if (!flag && !found.value)
        found.value = argv[++*at];
    if (!flag && !found.value) {
        usage_error(command, "--%s: expected %s after it", found.option->name,
                    found.option->argument);
        return -EINVAL;
    }
    return set_option(command, &found, target);
}

static bool asks_for_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0;
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
    int operands = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        char *text = argv[i];
        if (only_operands || text[0] != '-' || !text[1]) {
            argv[operands++] = text;
        } else if (strcmp(text, "--") == 0) {
            only_operands = true;
        } else if (asks_for_help(text)) {
            options_help(command, stdout);
            return -ECANCELED;
        } else {
            int result = read_option(command, argv, &i, target);
            if (result < 0)
                return result;
        }
    }
    argv[operands] = NULL;
    return check_operands(command, operands, argv);
}
