// SPDX-License-Identifier: MIT
/* The commands of `hearken`; client_main.c lists them. */
#ifndef HEARKEN_DAEMON_CLIENT_PROGRAM_COMMANDS_H
#define HEARKEN_DAEMON_CLIENT_PROGRAM_COMMANDS_H

#include "daemon/client/program/client_options.h"

extern const struct command transcribe_command;
extern const struct command batch_command;
extern const struct command listen_command;
extern const struct command start_command;
extern const struct command stop_command;
extern const struct command toggle_command;
extern const struct command record_command;
extern const struct command devices_command;
extern const struct command status_command;
extern const struct command web_command;
extern const struct command plugins_command;
extern const struct command model_command;
extern const struct command sound_command;
extern const struct command doctor_command;
extern const struct command completion_command;

/* All commands, those in several words behind the others; NULL if there are no more. */
const struct command *command_at(size_t index);

/* hearken model NAME: list, get, rm ...; NULL: it is none of them. */
const struct command *store_command_find(const char *name);
const struct command *store_command_at(size_t index);

/* hearken batch plan, status, collect; NULL if there are no more. */
const struct command *batch_part_at(size_t index);

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
#define PATH(letter_, name_, argument_, field, text)                                               \
    {                                                                                              \
        .kind = OPTION_PATH, .letter = letter_, .name = name_, .argument = argument_,              \
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

/* Rows that several commands have. */
#define BEAM_OPTION STRING('b', "beam", "N", FIELD(stream.beam), "hypotheses kept; more is slower")
#define CUSTOM_WORD_OPTIONS                                                                        \
    LIST('\0', "custom-words", "LIST", FIELD(stream.words),                                        \
         "names and rare words to expect, separated by commas, instead of those in the "           \
         "configuration; may be repeated"),                                                        \
        LIST('\0', "custom-words-file", "FILE", FIELD(stream.word_files),                          \
             "a file with one such word per line; may be repeated")
#define MODEL_OPTION(letter_)                                                                      \
    STRING(letter_, "model", "NAME|FILE", FIELD(stream.model),                                     \
           "the model: one of the daemon's, which hearken status lists (default: its first), or "  \
           "with --local a file or an installed one (default: hearken-en)")
#define SOCKET_OPTION                                                                              \
    STRING('\0', "socket", "PATH", FIELD(address.socket),                                          \
           "the daemon's socket (default: $XDG_RUNTIME_DIR/hearken/hearken.sock, else "            \
           "/run/hearken/hearken.sock)")
#define BACKEND_OPTIONS                                                                            \
    STRING('\0', "backend", "NAME", FIELD(backend.backend),                                        \
           "the compute plugin (default auto: the best one that can run here)"),                   \
        PATH('\0', "plugin-dir", "DIR", FIELD(backend.plugin_directory),                           \
             "the directory of the plugins")
#define THREADS_OPTION                                                                             \
    NUMBER('\0', "threads", 0, 1024, FIELD(backend.threads),                                       \
           "threads of one computation (default 0: the plugin chooses)")

#endif
