// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_remote.h"

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/peer_value.h"
#include "daemon/common/wyoming.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEVEL_MAX 1e6 /* full scale is 1 */

static int report(struct live_conversation *conversation, const struct live_event *event)
{
    return conversation->options->callback(conversation->options->context, event);
}

/* ---- Segments ---- */

static int handle_segment(struct live_conversation *conversation, const json_t *data,
                          struct hearken_error *error)
{
    struct transcript transcript;
    transcript_init(&transcript);
    bool final = strcmp(peer_string(data, "type"), "final") == 0;
    struct transcript_segment *segment = transcript_add(&transcript, peer_string(data, "text"));
    int result = -ENOMEM;
    if (segment)
        result = transcript_segment_read_json(segment, data, conversation->origin);
    if (result < 0)
        hearken_fail(error, result, "%s", strerror(-result));
    else
        result = report(conversation, &(struct live_event){
                                          .type = final ? LIVE_FINAL : LIVE_PARTIAL,
                                          .segment = segment,
                                          .committed = peer_count(data, "committed", SIZE_MAX),
                                      });
    transcript_finish(&transcript);
    return result;
}

/* ---- The microphone ---- */

static void copy_clean(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
    utf8_clean(to);
}

static int handle_capture(struct live_conversation *conversation, const json_t *data)
{
    static const char *const names[] = {"started", "lost", "fell-back", "returned", "overrun"};
    char device[256], reason[256];
    copy_clean(device, sizeof(device), peer_string(data, "device"));
    copy_clean(reason, sizeof(reason), peer_string(data, "reason"));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(peer_string(data, "type"), names[i]) != 0)
            continue;
        const struct hearken_capture_event event = {
            .type = (enum hearken_capture_event_type)i,
            .device = device,
            .reason = *reason || i == HEARKEN_CAPTURE_LOST ? reason : NULL,
            .rate = (uint32_t)peer_count(data, "rate", UINT32_MAX),
            .channels = (uint32_t)peer_count(data, "channels", UINT32_MAX),
            .overruns = peer_count(data, "overruns", INT64_MAX),
            .lost_seconds = peer_seconds(data, "lost_seconds"),
        };
        return report(conversation, &(struct live_event){.type = LIVE_CAPTURE, .capture = &event});
    }
    return 0;
}

static int handle_level(struct live_conversation *conversation, const json_t *data)
{
    const struct live_event event = {
        .type = LIVE_LEVEL,
        .time = peer_seconds(data, "time") - conversation->origin,
        .level = {.rms = (float)peer_number(data, "rms", 0, LEVEL_MAX),
                  .peak = (float)peer_number(data, "peak", 0, LEVEL_MAX)},
    };
    return report(conversation, &event);
}

static int handle_voice(struct live_conversation *conversation, const json_t *data, bool started)
{
    const struct live_event event = {
        .type = started ? LIVE_VOICE_STARTED : LIVE_VOICE_STOPPED,
        .time = peer_seconds(data, "timestamp") / 1000 - conversation->origin,
    };
    return report(conversation, &event);
}

static int handle_listening(struct live_conversation *conversation, const json_t *data)
{
    bool listening = json_is_true(json_object_get(data, "hearing"));
    return report(conversation,
                  &(struct live_event){.type = LIVE_LISTENING, .listening = listening});
}

/* The state is reported only with --hold: otherwise listening starts at once. */
static int handle_accepted(struct live_conversation *conversation, const json_t *data)
{
    conversation->accepted = true;
    conversation->origin = peer_seconds(data, "time");
    return conversation->options->hold ? handle_listening(conversation, data) : 0;
}

static int read_error(const json_t *data, struct hearken_error *error)
{
    char text[400];
    copy_clean(text, sizeof(text), peer_string(data, "text"));
    return hearken_fail(error, -EPROTO, "the daemon says: %s", text);
}

int live_remote_event(struct live_conversation *conversation, const struct wyoming_event *event,
                      struct hearken_error *error)
{
    const char *type = event->type;
    if (strcmp(type, "hearken-segment") == 0)
        return handle_segment(conversation, event->data, error);
    if (strcmp(type, "hearken-capture") == 0)
        return handle_capture(conversation, event->data);
    if (strcmp(type, "hearken-level") == 0)
        return handle_level(conversation, event->data);
    if (strcmp(type, "voice-started") == 0 || strcmp(type, "voice-stopped") == 0)
        return handle_voice(conversation, event->data, strcmp(type, "voice-started") == 0);
    if (strcmp(type, "hearken-hearing") == 0)
        return handle_listening(conversation, event->data);
    if (strcmp(type, "hearken-listening") == 0)
        return handle_accepted(conversation, event->data);
    if (strcmp(type, "hearken-listen-stopped") == 0)
        return 1;
    if (strcmp(type, "error") == 0)
        return read_error(event->data, error);
    return 0;
}

#define RECEIVE_BYTES (64u * 1024)

/* Default timeouts: for hearken-listening, which a daemon sends at once, and for the last text. */
#define ACCEPT_SECONDS 5.0
#define LAST_SECONDS   15.0

struct exchange {
    struct live_conversation conversation;
    int descriptor;
    struct wyoming_parser parser;
    struct timeout timeout;
    bool waiting; /* for an answer: the timeout applies */
    bool leaving; /* hearken-listen-stop was sent */
};

/* Other events do not restart the timer. */
static void start_timeout(struct exchange *exchange, double seconds)
{
    exchange->timeout = timeout_create(exchange->conversation.options->address, seconds);
    timeout_milliseconds(&exchange->timeout);
    exchange->waiting = true;
}

/* ---- Sending ---- */

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
            result = timeout_wait(&exchange->timeout, exchange->descriptor, POLLOUT);
    }
    wyoming_buffer_finish(&buffer);
    return result < 0 ? hearken_fail(error, -EPROTO, "the daemon: %s", strerror(-result)) : 0;
}

static int send_request(struct exchange *exchange, struct hearken_error *error)
{
    const struct live_remote *options = exchange->conversation.options;
    json_t *request = json_pack("{s:{s:b, s:b, s:b, s:b}}", "hearken", "words", 1, "voice_events",
                                1, "meter", 1, "hold", options->hold);
    int result = -ENOMEM;
    start_timeout(exchange, ACCEPT_SECONDS);
    if (request && stream_settings_describe(options->settings, request) == 0)
        result = put(exchange, "hearken-listen", request, error);
    else
        hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    json_decref(request);
    return result;
}

/* ---- Receiving ---- */

static int handle_events(struct exchange *exchange, struct hearken_error *error)
{
    for (;;) {
        struct wyoming_event event;
        struct hearken_error problem;
        int result = wyoming_parser_next(&exchange->parser, &event, &problem);
        if (result == 0)
            return 0;
        if (result < 0)
            return hearken_fail(error, -EPROTO,
                                "the server does not speak the Wyoming protocol: %.400s",
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
    return result < 0 ? result : handle_events(exchange, error);
}

/* ---- The conversation ---- */

/* The first interrupt requests the last text, a second one ends at once. */
static int handle_interrupt(struct exchange *exchange, struct hearken_error *error)
{
    signals_read(exchange->conversation.options->interrupt);
    if (exchange->leaving)
        return 1;
    exchange->leaving = true;
    start_timeout(exchange, LAST_SECONDS);
    return put(exchange, "hearken-listen-stop", NULL, error);
}

static int fail_timeout(const struct exchange *exchange, struct hearken_error *error)
{
    if (exchange->leaving)
        return hearken_fail(error, -EPROTO, "the daemon did not send the last text in time");
    return hearken_fail(error, -EPROTO,
                        "the server does not listen: it is not hearkend, or an older version");
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
            poll(pollers, 3, exchange->waiting ? timeout_milliseconds(&exchange->timeout) : -1);
        if (ready < 0 && errno != EINTR)
            return hearken_fail(error, -errno, "%s", strerror(errno));
        if (ready == 0)
            return fail_timeout(exchange, error);
        if (ready < 0)
            continue;
        if (pollers[2].revents && signals_consume(options->resize))
            options->resized(options->context);
        if (pollers[1].revents)
            result = handle_interrupt(exchange, error);
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
    result = send_request(&exchange, error);
    if (result == 0)
        result = converse(&exchange, error);
    if (result == 1 && !exchange.leaving)
        result = hearken_fail(error, -EPROTO, "the daemon is stopping");
    wyoming_parser_finish(&exchange.parser);
    close(exchange.descriptor);
    return result < 0 ? result : 0;
}
