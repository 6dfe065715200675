// SPDX-License-Identifier: MIT
/*
 * Command lines: each command is a table of options, from which arguments are read and the help is
 * written, so that the two agree.
 */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_OPTIONS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What a command exits with; documented in hearken(1). */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,    /* something asked for could not be done */
    EXIT_USAGE = 2,     /* the command line makes no sense */
    EXIT_NO_DAEMON = 3, /* nobody answers at the socket */
    EXIT_SIGNAL = 128,  /* plus the signal's number */
};

enum option_kind {
    OPTION_HEADING,  /* no option: a heading in the help */
    OPTION_FLAG,     /* bool: set to true */
    OPTION_STRING,   /* const char *: points into argv */
    OPTION_PATH,     /* likewise, but not empty */
    OPTION_FILE,     /* const char *: likewise, or "-" where the next argument is no such file */
    OPTION_UNSIGNED, /* unsigned, minimum..maximum */
    OPTION_SECONDS,  /* struct option_seconds: 0..OPTION_SECONDS_MAX, fractions too */
    OPTION_CHOICE,   /* unsigned: index of the word in `choices` */
    OPTION_LIST,     /* struct option_list: may be repeated */
};

#define OPTION_COUNT_MAX 64

#define OPTION_LIST_MAX 32

struct option_list {
    size_t count;
    const char *items[OPTION_LIST_MAX]; /* point into argv */
};

#define OPTION_SECONDS_MAX 604800 /* a week: in milliseconds an int holds it */

struct option_seconds {
    bool set; /* the option was there */
    double value;
};

struct command_option {
    enum option_kind kind;
    char letter;          /* '\0': none */
    const char *name;     /* without the dashes; of a heading: its text */
    const char *argument; /* what the help calls it; NULL for a flag */
    size_t offset;        /* of the field in the command's structure */
    unsigned minimum, maximum;
    const char *const *choices; /* words, or endings of a file's name; NULL-terminated */
    const char *help;
};

struct command {
    const char *name;
    const char *operands; /* as the usage line shows them */
    int operands_minimum, operands_maximum;
    const char *summary;                  /* half a line */
    const char *description;              /* paragraphs, or NULL */
    const char *examples;                 /* or NULL */
    const struct command_option *options; /* without --help, which all have */
    size_t option_count;                  /* up to OPTION_COUNT_MAX */
    int (*run)(const struct command *command, int argc, char **argv); /* an exit code */
};

/*
 * Reads argv[1..] into `target`, which holds the defaults, and moves the operands to the front of
 * argv, NULL after the last. Returns their number; -EINVAL when the line is wrong (told on standard
 * error); -ECANCELED when help was asked for and printed.
 */
int options_parse(const struct command *command, int argc, char **argv, void *target);

/* The exit code for what options_parse returned below 0. */
int options_exit_code(int result);

void options_help(const struct command *command, FILE *file);

/* "hearken COMMAND: MESSAGE" and where help is found, on standard error; returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(const struct command *command,
                                                      const char *format, ...);

#endif
