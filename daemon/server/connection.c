// SPDX-License-Identifier: MIT
#include "daemon/server/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Time for a client to read its last answer. */
#define LINGER_MILLISECONDS 3000

static void process(struct connection *connection);

/* ---- Closing ---- */

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    conversation_finish(&connection->conversation);
    wyoming_parser_finish(&connection->parser);
    connection->closed(connection);
    free(connection);
}

/* May run inside a callback of the conversation, which on_closed therefore finishes later. */
void connection_close(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->state = CONNECTION_CLOSED;
    uv_close(&connection->handle, on_closed);
}

static void on_shutdown(uv_shutdown_t *shutdown, int result)
{
    struct connection *connection = shutdown->data;
    connection->drained = true;
    if (result < 0 || connection->client_ended)
        connection_close(connection);
}

static void alloc_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    const struct connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->read_buffer, CONNECTION_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void set_reading(struct connection *connection, bool reading)
{
    if (connection->reading == reading || connection->client_ended)
        return;
    connection->reading = reading;
    if (!reading)
        uv_read_stop(&connection->stream);
    else if (uv_read_start(&connection->stream, alloc_buffer, on_read) < 0)
        connection_close(connection);
}

static void linger(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    connection->state = CONNECTION_LINGERING;
    conversation_finish(&connection->conversation);
    connection->deadline = uv_now(connection->handle.loop) + LINGER_MILLISECONDS;
    connection->shutdown.data = connection;
    if (uv_shutdown(&connection->shutdown, &connection->stream, on_shutdown) < 0)
        connection_close(connection);
    else
        set_reading(connection, true);
}

/* ---- Writing ---- */

struct output {
    uv_write_t write;
    struct connection *connection;
    struct wyoming_buffer buffer;
};

static void on_written(uv_write_t *write, int result)
{
    struct output *output = write->data;
    struct connection *connection = output->connection;
    connection->unsent -= output->buffer.length;
    connection->last_progress = uv_now(connection->handle.loop);
    wyoming_buffer_finish(&output->buffer);
    free(output);
    if (result < 0)
        connection_close(connection);
}

static void write_output(struct connection *connection, struct output *output)
{
    if (connection->unsent == 0)
        connection->last_progress = uv_now(connection->handle.loop);
    connection->unsent += output->buffer.length;
    output->connection = connection;
    output->write.data = output;
    uv_buf_t buffer = uv_buf_init((char *)output->buffer.bytes, (unsigned)output->buffer.length);
    if (uv_write(&output->write, &connection->stream, &buffer, 1, on_written) == 0)
        return;
    connection->unsent -= output->buffer.length;
    wyoming_buffer_finish(&output->buffer);
    free(output);
    connection_close(connection);
}

static void send_event(void *context, const char *type, json_t *data, const void *payload,
                       size_t payload_length)
{
    struct connection *connection = context;
    struct log *log = connection->service->log;
    struct output *output = NULL;
    size_t limit = (size_t)connection->service->settings.result_queue_kib * 1024;
    if (connection->state != CONNECTION_OPEN)
        goto done;
    output = calloc(1, sizeof(*output));
    if (!data || !output ||
        wyoming_serialise(type, data, payload, payload_length, &output->buffer) < 0) {
        log_error(log, "connection %u: out of memory for an answer", connection->id);
        connection_close(connection);
        goto done;
    }
    if (output->buffer.length > limit - (connection->unsent < limit ? connection->unsent : limit)) {
        log_warning(log, "connection %u: does not read its results: more than %zu KiB are queued",
                    connection->id, limit / 1024);
        wyoming_buffer_finish(&output->buffer);
        connection_close(connection);
        goto done;
    }
    json_decref(data);
    write_output(connection, output);
    return;

done:
    free(output);
    json_decref(data);
}

static void resume(void *context)
{
    struct connection *connection = context;
    if (connection->state != CONNECTION_OPEN)
        return;
    connection->last_received = uv_now(connection->handle.loop);
    process(connection);
}

static const struct conversation_peer peer = {
    .send = send_event,
    .resume = resume,
};

void connection_reject(struct connection *connection, const char *code, const char *text)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    conversation_send_error(&peer, connection, code, text);
    linger(connection);
}

static void fail(struct connection *connection, const char *code, const char *text)
{
    log_info(connection->service->log, "connection %u: %s: %s", connection->id, code, text);
    connection_reject(connection, code, text);
}

/* ---- Reading ---- */

static bool is_between_requests(const struct connection *connection)
{
    enum conversation_state state = connection->conversation.state;
    return state == CONVERSATION_IDLE || state == CONVERSATION_REFUSED;
}

static void handle_event(struct connection *connection)
{
    connection->event_deferred = false;
    switch (conversation_handle(&connection->conversation, &connection->event)) {
    case CONVERSATION_CONTINUE:
        break;
    case CONVERSATION_WAIT:
        connection->event_deferred = true;
        break;
    case CONVERSATION_CLOSE:
        linger(connection);
        break;
    }
}

static bool can_continue(struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && !connection->event_deferred &&
           !conversation_is_full(&connection->conversation);
}

/* After end of file a client on a Unix socket may still wait for the transcript. With TCP, such a
 * client cannot be told from one that is gone, which is the usual case: the rest of its audio is
 * not recognised. */
static bool awaits_transcript(struct connection *connection)
{
    bool half_close = connection->kind == SOCKET_UNIX;
    conversation_cut(&connection->conversation, half_close, "incomplete",
                     "the client closed its side without audio-stop");
    return half_close && connection->conversation.state == CONVERSATION_FINISHING;
}

static void end_without_answer(struct connection *connection)
{
    if (conversation_has_ended(&connection->conversation) ||
        (is_between_requests(connection) && wyoming_parser_idle(&connection->parser))) {
        linger(connection);
        return;
    }
    fail(connection, "incomplete", "the client closed its side in the middle of a request");
}

static void check_end(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->event_deferred)
        return;
    if (conversation_has_ended(&connection->conversation)) {
        linger(connection);
    } else if (connection->client_ended) {
        if (!awaits_transcript(connection))
            end_without_answer(connection);
    } else if (connection->service->draining && is_between_requests(connection)) {
        linger(connection);
    }
}

/* Handles the events in the parser until one has to wait or the queue is full. */
static void process(struct connection *connection)
{
    struct hearken_error error;
    if (connection->event_deferred)
        handle_event(connection);
    while (can_continue(connection)) {
        int result = wyoming_parser_next(&connection->parser, &connection->event, &error);
        if (result < 0)
            fail(connection, result == -EMSGSIZE ? "too-large" : "bad-message", error.message);
        if (result <= 0)
            break;
        handle_event(connection);
    }
    check_end(connection);
    if (connection->state == CONNECTION_OPEN)
        set_reading(connection, can_continue(connection));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    struct hearken_error error;
    if (count == 0 || connection->state == CONNECTION_CLOSED)
        return;
    if (count < 0) {
        set_reading(connection, false);
        connection->client_ended = true;
        if (count != UV_EOF || connection->drained)
            connection_close(connection);
        else
            check_end(connection);
        return;
    }
    if (connection->state != CONNECTION_OPEN)
        return;
    connection->last_received = uv_now(stream->loop);
    if (wyoming_parser_feed(&connection->parser, buffer->base, (size_t)count, &error) < 0)
        fail(connection, "out-of-memory", error.message);
    else
        process(connection);
}

/* ---- Timeouts ---- */

static bool has_passed(uint64_t now, uint64_t since, float seconds)
{
    return now > since && (double)(now - since) > (double)seconds * 1000;
}

/* libuv does not report a hang-up while nothing is read. On a Unix socket, a client that has only
 * shut down writing causes no POLLHUP. */
static bool has_hung_up(const struct connection *connection)
{
    int descriptor;
    if (uv_fileno(&connection->handle, &descriptor) < 0)
        return true;
    struct pollfd state = {
        .fd = descriptor,
        .events = connection->kind == SOCKET_TCP ? POLLRDHUP : 0,
    };
    return poll(&state, 1, 0) > 0 && state.revents != 0;
}

/* Sends the transcript of the audio received before the error. */
static void time_out(struct connection *connection, const char *reason)
{
    if (!conversation_cut(&connection->conversation, true, "timeout", reason))
        fail(connection, "timeout", reason);
}

static void check_client(struct connection *connection, uint64_t now)
{
    const struct settings *settings = &connection->service->settings;
    bool within_message = !wyoming_parser_idle(&connection->parser);
    if (conversation_is_cut(&connection->conversation))
        return;
    if (within_message || conversation_expects_audio(&connection->conversation)) {
        if (has_passed(now, connection->last_received, settings->stall_seconds))
            time_out(connection, within_message ? "the client stopped within a message"
                                                : "the client stopped sending audio");
        return;
    }
    uint64_t since = connection->last_received > connection->last_progress
                         ? connection->last_received
                         : connection->last_progress;
    if (is_between_requests(connection) && settings->idle_seconds > 0 &&
        has_passed(now, since, settings->idle_seconds)) {
        log_debug(connection->service->log, "connection %u: idle timeout", connection->id);
        linger(connection);
    }
}

void connection_tick(struct connection *connection)
{
    uint64_t now = uv_now(connection->handle.loop);
    const struct settings *settings = &connection->service->settings;
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (connection->state == CONNECTION_LINGERING) {
        if (now > connection->deadline)
            connection_close(connection);
    } else if (connection->unsent > 0 &&
               has_passed(now, connection->last_progress, settings->stall_seconds)) {
        log_info(connection->service->log, "connection %u: does not read its results",
                 connection->id);
        connection_close(connection);
    } else if (connection->reading) {
        check_client(connection, now);
    } else if (has_hung_up(connection)) {
        log_info(connection->service->log, "connection %u: client gone in the middle of a request",
                 connection->id);
        connection_close(connection);
    }
}

void connection_drain(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN && is_between_requests(connection))
        linger(connection);
}

/* ---- Opening ---- */

static void free_connection(uv_handle_t *handle)
{
    free(handle->data);
}

/* On success the handle owns the descriptor. On failure the connection is freed, by the close
 * callback if the handle was initialised. */
static int open_handle(struct connection *connection, uv_loop_t *loop, int descriptor)
{
    bool local = connection->kind == SOCKET_UNIX;
    int result =
        local ? uv_pipe_init(loop, &connection->pipe, 0) : uv_tcp_init(loop, &connection->tcp);
    if (result < 0) {
        free(connection);
        return result;
    }
    connection->handle.data = connection;
    result = local ? uv_pipe_open(&connection->pipe, descriptor)
                   : uv_tcp_open(&connection->tcp, descriptor);
    if (result < 0)
        uv_close(&connection->handle, free_connection);
    return result;
}

int connection_create(uv_loop_t *loop, int descriptor, enum socket_kind kind,
                      struct service *service, char *read_buffer, unsigned id,
                      void (*closed)(struct connection *), void *owner, struct connection **result)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int status = -ENOMEM;
    if (connection) {
        connection->kind = kind;
        status = open_handle(connection, loop, descriptor);
    }
    if (status < 0) {
        close(descriptor);
        return status;
    }
    connection->service = service;
    connection->id = id;
    connection->read_buffer = read_buffer;
    connection->closed = closed;
    connection->owner = owner;
    wyoming_parser_init(&connection->parser, NULL);
    conversation_init(&connection->conversation, service, &peer, connection, id,
                      kind == SOCKET_UNIX);
    connection->last_received = connection->last_progress = uv_now(loop);
    if (kind == SOCKET_TCP) {
        uv_tcp_nodelay(&connection->tcp, 1);
        uv_tcp_keepalive(&connection->tcp, 1, 60);
    }
    *result = connection;
    return 0;
}

void connection_start(struct connection *connection)
{
    set_reading(connection, true);
}
