// SPDX-License-Identifier: MIT
#include "daemon/client/program/daemon_status.h"

#include "daemon/common/wyoming.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SECONDS 10.0

static int send_all(int descriptor, const struct wyoming_buffer *buffer, struct timeout *timeout)
{
    size_t sent = 0;
    while (sent < buffer->length) {
        int result = timeout_wait(timeout, descriptor, POLLOUT);
        if (result < 0)
            return result;
        ssize_t count = send(descriptor, buffer->bytes + sent, buffer->length - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (count > 0) {
            sent += (size_t)count;
            timeout_stop(timeout);
        }
    }
    return 0;
}

/* Another server ignores hearken-status and answers describe. */
static int send_request(int descriptor, struct timeout *timeout)
{
    struct wyoming_buffer buffer = {0};
    int result = wyoming_serialise("hearken-status", NULL, NULL, 0, &buffer);
    if (result == 0)
        result = wyoming_serialise("describe", NULL, NULL, 0, &buffer);
    if (result == 0)
        result = send_all(descriptor, &buffer, timeout);
    wyoming_buffer_finish(&buffer);
    return result;
}

/* Returns the data of the first hearken-status or info event, a new reference. */
static int read_answer(struct wyoming_parser *parser, int descriptor, struct timeout *timeout,
                       json_t **answer, struct hearken_error *error)
{
    char bytes[16384];
    for (;;) {
        struct wyoming_event event;
        int result = wyoming_parser_next(parser, &event, error);
        if (result < 0)
            return result;
        if (result > 0 &&
            (strcmp(event.type, "hearken-status") == 0 || strcmp(event.type, "info") == 0)) {
            *answer = json_incref(event.data);
            return 0;
        }
        if (result > 0)
            continue;
        result = timeout_wait(timeout, descriptor, POLLIN);
        ssize_t got = result < 0 ? 0 : recv(descriptor, bytes, sizeof(bytes), 0);
        if (result == 0 && got < 0 && errno != EAGAIN && errno != EINTR)
            result = -errno;
        if (result == 0 && got == 0)
            result = -ECONNRESET;
        if (result == 0 && got > 0) {
            timeout_stop(timeout);
            result = wyoming_parser_feed(parser, bytes, (size_t)got, error);
        }
        if (result < 0) {
            snprintf(error->message, sizeof(error->message), "the daemon did not answer: %s",
                     strerror(-result));
            return result;
        }
    }
}

int daemon_status_get(const struct address *address, json_t **answer, struct hearken_error *error)
{
    int descriptor;
    int result = connection_open(address, -1, &descriptor, error);
    if (result < 0)
        return result;
    struct timeout timeout = timeout_create(address, ANSWER_SECONDS);
    struct wyoming_parser parser;
    wyoming_parser_init(&parser, NULL);
    result = send_request(descriptor, &timeout);
    if (result == 0)
        result = read_answer(&parser, descriptor, &timeout, answer, error);
    else
        snprintf(error->message, sizeof(error->message), "the daemon: %s", strerror(-result));
    if (result == -ETIMEDOUT)
        timeout_fail(&timeout, address, error);
    wyoming_parser_finish(&parser);
    close(descriptor);
    return result;
}
