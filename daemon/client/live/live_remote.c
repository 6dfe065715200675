// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_remote.h"

#include "daemon/client/live/live_wait.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/signals.h"
#include "daemon/common/wyoming.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BYTES (64u * 1024)

/* A daemon that can do it says at once that it listens. */
#define ACCEPT_SECONDS 5.0
/* What was said last is recognised in less. */
#define LAST_SECONDS 15.0

struct exchange {
    struct live_conversation conversation;
    int descriptor;
    struct wyoming_parser parser;
    struct patience patience;
    bool waiting; /* for an answer */
    bool leaving;
};

/* Whatever it says meanwhile: the clock goes on. */
static void expect_within(struct exchange *exchange, double seconds)
{
    exchange->patience = patience_of(exchange->conversation.options->address, seconds);
    patience_milliseconds(&exchange->patience);
    exchange->waiting = true;
}

/* ---- Sending: a few bytes, twice ---- */

static int put(struct exchange *exchange, const char *type, const json_t *data,
               struct hearken_error *error)
{
    struct wyoming_buffer buffer = {0};
    int result = wyoming_serialise(type, data, NULL, 0, &buffer);
    for (size_t sent = 0; result == 0 && sent < buffer.length;) {
        ssize_t count =
            send(exchange->descriptor, buffer.bytes + sent, buffer.length - sent, MSG_NOSIGNAL);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno != EAGAIN && errno != EINTR)
            result = -errno;
        else
            result = patience_wait(&exchange->patience, exchange->descriptor, POLLOUT);
    }
    wyoming_buffer_finish(&buffer);
    return result < 0 ? hearken_fail(error, -EPROTO, "the daemon: %s", strerror(-result)) : 0;
}

static int ask(struct exchange *exchange, struct hearken_error *error)
{
    const struct live_remote *options = exchange->conversation.options;
    json_t *request = json_pack("{s:{s:b, s:b, s:b, s:b}}", "hearken", "words", 1, "voice_events",
                                1, "meter", 1, "hold", options->hold);
    int result = -ENOMEM;
    expect_within(exchange, ACCEPT_SECONDS);
    if (request && stream_settings_describe(options->settings, request) == 0)
        result = put(exchange, "hearken-listen", request, error);
    else
        hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    json_decref(request);
    return result;
}

/* ---- Receiving ---- */

static int take_events(struct exchange *exchange, struct hearken_error *error)
{
    for (;;) {
        struct wyoming_event event;
        struct hearken_error problem;
        int result = wyoming_parser_next(&exchange->parser, &event, &problem);
        if (result == 0)
            return 0;
        if (result < 0)
            return hearken_fail(error, -EPROTO,
                                "what answers does not speak the Wyoming protocol: %.400s",
                                problem.message);
        result = live_remote_event(&exchange->conversation, &event, error);
        if (exchange->conversation.accepted && !exchange->leaving)
            exchange->waiting = false;
        if (result != 0)
            return result;
    }
}

static int receive(struct exchange *exchange, struct hearken_error *error)
{
    uint8_t bytes[RECEIVE_BYTES];
    ssize_t got = recv(exchange->descriptor, bytes, sizeof(bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return hearken_fail(error, -EPROTO, "the daemon closed the connection%s%s",
                            got < 0 ? ": " : "", got < 0 ? strerror(errno) : "");
    int result = wyoming_parser_feed(&exchange->parser, bytes, (size_t)got, error);
    return result < 0 ? result : take_events(exchange, error);
}

/* ---- The conversation ---- */

/* The first interrupt asks for the last text, a second one does without. */
static int take_interrupt(struct exchange *exchange, struct hearken_error *error)
{
    signals_take(exchange->conversation.options->interrupt);
    if (exchange->leaving)
        return 1;
    exchange->leaving = true;
    expect_within(exchange, LAST_SECONDS);
    return put(exchange, "hearken-listen-stop", NULL, error);
}

static int take_deadline(const struct exchange *exchange, struct hearken_error *error)
{
    if (exchange->leaving)
        return hearken_fail(error, -EPROTO, "the daemon did not tell the last text");
    return hearken_fail(error, -EPROTO,
                        "what answers does not listen: it is no hearkend, or an older one");
}

static int converse(struct exchange *exchange, struct hearken_error *error)
{
    const struct live_remote *options = exchange->conversation.options;
    for (int result = 0;;) {
        struct pollfd pollers[] = {
            {.fd = exchange->descriptor, .events = POLLIN},
            {.fd = options->interrupt, .events = POLLIN},
            {.fd = options->resize, .events = POLLIN},
        };
        int ready =
            poll(pollers, 3, exchange->waiting ? patience_milliseconds(&exchange->patience) : -1);
        if (ready < 0 && errno != EINTR)
            return hearken_fail(error, -errno, "%s", strerror(errno));
        if (ready == 0)
            return take_deadline(exchange, error);
        if (ready < 0)
            continue;
        if (pollers[2].revents && live_wait_take(options->resize))
            options->resized(options->context);
        if (pollers[1].revents)
            result = take_interrupt(exchange, error);
        if (result == 0 && pollers[0].revents)
            result = receive(exchange, error);
        if (result != 0)
            return result;
    }
}

int live_remote_listen(const struct live_remote *options, struct hearken_error *error)
{
    struct exchange exchange = {.conversation = {.options = options}};
    int result = connection_open(options->address, options->interrupt, &exchange.descriptor, error);
    if (result < 0)
        return result;
    wyoming_parser_init(&exchange.parser, NULL);
    result = ask(&exchange, error);
    if (result == 0)
        result = converse(&exchange, error);
    if (result == 1 && !exchange.leaving)
        result = hearken_fail(error, -EPROTO, "the daemon is stopping");
    wyoming_parser_finish(&exchange.parser);
    close(exchange.descriptor);
    return result < 0 ? result : 0;
}
