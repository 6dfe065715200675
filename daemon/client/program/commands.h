// SPDX-License-Identifier: MIT
/* The commands of `hearken`; client_main.c lists them. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_COMMANDS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_COMMANDS_H

#include "daemon/client/program/client_options.h"

extern const struct command transcribe_command;
extern const struct command listen_command;
extern const struct command start_command;
extern const struct command stop_command;
extern const struct command toggle_command;
extern const struct command record_command;
extern const struct command devices_command;
extern const struct command status_command;
extern const struct command plugins_command;
extern const struct command model_command;

#define OPTION_COUNT(options) (sizeof(options) / sizeof((options)[0]))

/* Rows of option tables; FIELD is where the value goes. */
#define HEADING(text)                                                                              \
    {                                                                                              \
        .kind = OPTION_HEADING, .name = text                                                       \
    }
#define FLAG(letter_, name_, field, text)                                                          \
    {                                                                                              \
        .kind = OPTION_FLAG, .letter = letter_, .name = name_, .offset = field, .help = text       \
    }
#define STRING(letter_, name_, argument_, field, text)                                             \
    {                                                                                              \
        .kind = OPTION_STRING, .letter = letter_, .name = name_, .argument = argument_,            \
        .offset = field, .help = text                                                              \
    }
#define OPTIONAL_FILE(letter_, name_, argument_, endings, field, text)                             \
    {                                                                                              \
        .kind = OPTION_FILE, .letter = letter_, .name = name_, .argument = argument_,              \
        .choices = endings, .offset = field, .help = text                                          \
    }
#define LIST(letter_, name_, argument_, field, text)                                               \
    {                                                                                              \
        .kind = OPTION_LIST, .letter = letter_, .name = name_, .argument = argument_,              \
        .offset = field, .help = text                                                              \
    }
#define NUMBER(letter_, name_, low, high, field, text)                                             \
    {                                                                                              \
        .kind = OPTION_UNSIGNED, .letter = letter_, .name = name_, .argument = "N",                \
        .minimum = low, .maximum = high, .offset = field, .help = text                             \
    }
#define SECONDS(name_, field, text)                                                                \
    {                                                                                              \
        .kind = OPTION_SECONDS, .name = name_, .argument = "SECONDS", .offset = field,             \
        .help = text                                                                               \
    }
#define CHOICE(letter_, name_, argument_, words, field, text)                                      \
    {                                                                                              \
        .kind = OPTION_CHOICE, .letter = letter_, .name = name_, .argument = argument_,            \
        .choices = words, .offset = field, .help = text                                            \
    }

#endif
