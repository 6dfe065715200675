// SPDX-License-Identifier: MIT
#include "daemon/client/live/listen_command.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/peer_value.h"
#include "daemon/common/wyoming.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SECONDS 10.0

struct switching {
    struct address address;
    bool type, quiet;
};

#define FIELD(name) offsetof(struct switching, name)

#define SWITCH_OPTIONS                                                                             \
    FLAG('q', "quiet", FIELD(quiet), "do not print the new state"),                                \
        STRING('\0', "socket", "PATH", FIELD(address.socket),                                      \
               "the daemon's socket (default: $XDG_RUNTIME_DIR/hearken/hearken.sock, else "        \
               "/run/hearken/hearken.sock)"),                                                      \
        STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp), "the daemon's address"),              \
        SECONDS("timeout", FIELD(address.timeout),                                                 \
                "give up if the daemon does not respond within this time (default 10; 0: never)")

static const struct command_option stop_options[] = {SWITCH_OPTIONS};
static const struct command_option start_options[] = {
    FLAG('\0', "type", FIELD(type), "if no client listens, run hearken listen --type"),
    SWITCH_OPTIONS,
};

/* The daemon's answer. */
struct answer {
    bool listening;
    unsigned listeners;
};

/* 1: the event was the answer. */
static int handle_event(const struct wyoming_event *event, struct answer *answer,
                        struct hearken_error *error)
{
    if (strcmp(event->type, "error") == 0) {
        const char *text = json_string_value(json_object_get(event->data, "text"));
        return hearken_fail(error, -EPROTO, "the daemon says: %s", text ? text : "error");
    }
    if (strcmp(event->type, "hearken-switched") != 0)
        return 0;
    answer->listening = json_is_true(json_object_get(event->data, "hearing"));
    answer->listeners = (unsigned)peer_count(event->data, "listeners", UINT_MAX);
    return 1;
}

/* The connection to the daemon. */
struct peer {
    const struct address *address;
    int descriptor;
    struct timeout timeout;
};

static int wait_for_peer(struct peer *peer, short events, struct hearken_error *error)
{
    int result = timeout_wait(&peer->timeout, peer->descriptor, events);
    if (result == -ETIMEDOUT)
        return timeout_fail(&peer->timeout, peer->address, error);
    return result < 0 ? hearken_fail(error, result, "the daemon: %s", strerror(-result)) : 0;
}

static int read_answer(struct peer *peer, struct wyoming_parser *parser, struct answer *answer,
                       struct hearken_error *error)
{
    for (;;) {
        uint8_t bytes[4096];
        struct wyoming_event event;
        int result = wyoming_parser_next(parser, &event, error);
        if (result > 0)
            result = handle_event(&event, answer, error);
        else if (result == 0)
            result = wait_for_peer(peer, POLLIN, error);
        if (result != 0)
            return result;
        ssize_t got = recv(peer->descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return hearken_fail(error, -EPROTO, "the daemon closed the connection");
        if (got > 0)
            timeout_stop(&peer->timeout);
        if (got > 0 && (result = wyoming_parser_feed(parser, bytes, (size_t)got, error)) < 0)
            return result;
    }
}

static int send_request(struct peer *peer, const char *name, struct hearken_error *error)
{
    char type[32];
    struct wyoming_buffer buffer = {0};
    snprintf(type, sizeof(type), "hearken-%s", name);
    int result = wyoming_serialise(type, NULL, NULL, 0, &buffer);
    if (result == 0)
        result = wait_for_peer(peer, POLLOUT, error);
    /* The send buffer of a new connection has room for this. */
    if (result == 0 &&
        send(peer->descriptor, buffer.bytes, buffer.length, MSG_NOSIGNAL) != (ssize_t)buffer.length)
        result = hearken_fail(error, -EPROTO, "the daemon: %s", strerror(errno));
    timeout_stop(&peer->timeout);
    wyoming_buffer_finish(&buffer);
    return result;
}

static int exchange(const struct address *address, const char *name, struct answer *answer,
                    struct hearken_error *error)
{
    struct peer peer = {.address = address, .timeout = timeout_create(address, ANSWER_SECONDS)};
    int result = connection_open(address, -1, &peer.descriptor, error);
    if (result < 0)
        return result;
    struct wyoming_parser parser;
    wyoming_parser_init(&parser, NULL);
    result = send_request(&peer, name, error);
    if (result == 0)
        result = read_answer(&peer, &parser, answer, error);
    wyoming_parser_finish(&parser);
    close(peer.descriptor);
    return result < 0 ? result : 0;
}

static int print_answer(const struct switching *switching, const struct answer *answer, bool starts)
{
    if (answer->listeners > 0) {
        if (!switching->quiet)
            printf("%s\n", answer->listening ? "listening" : "paused");
        return EXIT_GOOD;
    }
    if (starts && switching->type)
        return listen_and_type(&switching->address);
    message_error(NULL, "no client listens: run hearken listen first, with --type to have the text "
                        "typed; hearken toggle --type does that by itself");
    return EXIT_FAILED;
}

static int run_switch(const struct command *command, int argc, char **argv)
{
    struct switching switching = {0};
    struct answer answer = {0};
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &switching);
    if (count < 0)
        return options_exit_code(count);
    if (address_check(&switching.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    int result = exchange(&switching.address, command->name, &answer, &error);
    if (result == 0)
        return print_answer(&switching, &answer, strcmp(command->name, "stop") != 0);
    message_error(NULL, error.message);
    return result == -ENOTCONN ? EXIT_NO_DAEMON : EXIT_FAILED;
}

#define DESCRIPTION                                                                                \
    "Affects every hearken listen that uses this daemon, and prints the new state. Stopping "      \
    "ends\n"                                                                                       \
    "the current segment, whose text is written at once.\n"                                        \
    "Exit status: 0 success, 1 no client listens, 3 no daemon answers.\n"

const struct command start_command = {
    .name = "start",
    .operands = "",
    .summary = "Resume hearken listen",
    .description = DESCRIPTION,
    .options = start_options,
    .option_count = OPTION_COUNT(start_options),
    .run = run_switch,
};

const struct command stop_command = {
    .name = "stop",
    .operands = "",
    .summary = "Pause hearken listen",
    .description = DESCRIPTION,
    .options = stop_options,
    .option_count = OPTION_COUNT(stop_options),
    .run = run_switch,
};

const struct command toggle_command = {
    .name = "toggle",
    .operands = "",
    .summary = "Pause or resume hearken listen: for a key of the desktop",
    .description = DESCRIPTION,
    .examples = "  hearken listen --type --hold &      and hearken toggle on a key\n"
                "  hearken toggle --type               on a key, and nothing else running\n",
    .options = start_options,
    .option_count = OPTION_COUNT(start_options),
    .run = run_switch,
};
