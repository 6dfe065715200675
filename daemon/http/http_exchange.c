// SPDX-License-Identifier: MIT
#include "daemon/http/http_exchange.h"

#include "daemon/common/json_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_memory[] =
    "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\","
    "\"param\":null,\"code\":null}}";

/* ---- Answers ---- */

static void resume(struct http_exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
    exchange->wake(exchange);
}

void http_exchange_answer(struct http_exchange *exchange, unsigned status,
                          struct MHD_Response *response)
{
    if (exchange->status != 0) {
        if (response)
            MHD_destroy_response(response);
        return;
    }
    if (!response) {
        status = 503;
        response = MHD_create_response_from_buffer(sizeof(no_memory) - 1, (void *)no_memory,
                                                   MHD_RESPMEM_PERSISTENT);
    }
    exchange->status = status;
    exchange->response = response; /* still NULL: the connection is closed */
    resume(exchange);
}

void http_exchange_answer_bytes(struct http_exchange *exchange, unsigned status, const char *type,
                                const char *bytes, size_t length)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, (void *)bytes, MHD_RESPMEM_MUST_COPY);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    http_exchange_answer(exchange, status, response);
}

void http_exchange_answer_json(struct http_exchange *exchange, unsigned status, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(object);
    if (text)
        http_exchange_answer_bytes(exchange, status, "application/json", text, strlen(text));
    else
        http_exchange_answer(exchange, 503, NULL);
    free(text);
}

json_t *http_error_object(unsigned status, const char *code, const char *parameter,
                          const char *message)
{
    const char *type = status == 401   ? "authentication_error"
                       : status == 429 ? "rate_limit_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    return json_pack("{s:{s:o, s:s, s:s?, s:s?}}", "error", "message", json_from_text(message),
                     "type", type, "param", parameter, "code", code);
}

void http_exchange_fail(struct http_exchange *exchange, unsigned status, const char *code,
                        const char *parameter, const char *format, ...)
{
    char message[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log_info(exchange->service->log, "request %s: %s", exchange->id, message);
    json_t *object = http_error_object(status, code, parameter, message);
    if (exchange->status == 0 && object)
        exchange->failure = json_dumps(object, JSON_COMPACT);
    http_exchange_answer_json(exchange, status, object);
}

void http_exchange_postpone(struct http_exchange *exchange, unsigned seconds, const char *message)
{
    char text[16];
    http_exchange_fail(exchange, 503, "overloaded", NULL, "%s", message);
    snprintf(text, sizeof(text), "%u", seconds);
    if (exchange->response)
        MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_RETRY_AFTER, text);
}

/* ---- Streams ---- */

/* Called by libmicrohttpd when the client can take more. Waits where there is nothing to send. */
static ssize_t send_outgoing(void *context, uint64_t position, char *bytes, size_t size)
{
    struct http_exchange *exchange = context;
    struct http_outgoing *outgoing = &exchange->outgoing;
    size_t rest = outgoing->length - outgoing->sent;
    (void)position;
    if (exchange->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (rest == 0 && outgoing->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (rest == 0) {
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        return 0;
    }
    size_t count = rest < size ? rest : size;
    memcpy(bytes, outgoing->bytes + outgoing->sent, count);
    outgoing->sent += count;
    if (outgoing->sent == outgoing->length)
        outgoing->sent = outgoing->length = 0;
    return (ssize_t)count;
}

void http_exchange_stream(struct http_exchange *exchange)
{
    enum { BLOCK = 16384 };
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, send_outgoing, exchange, NULL);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx: send it at once */
        exchange->streams = true;
    }
    http_exchange_answer(exchange, 200, response);
}

static int reserve(struct http_outgoing *outgoing, size_t more)
{
    size_t needed = outgoing->length + more;
    if (needed <= outgoing->capacity)
        return 0;
    size_t capacity = 2 * outgoing->capacity > needed ? 2 * outgoing->capacity : needed;
    char *grown = realloc(outgoing->bytes, capacity);
    if (!grown)
        return -1;
    outgoing->bytes = grown;
    outgoing->capacity = capacity;
    return 0;
}

void http_exchange_write(struct http_exchange *exchange, const char *bytes, size_t length)
{
    struct http_outgoing *outgoing = &exchange->outgoing;
    size_t limit = (size_t)exchange->service->settings.result_queue_kib * 1024;
    if (!exchange->streams || exchange->gone)
        return;
    if (outgoing->length - outgoing->sent + length > limit || reserve(outgoing, length) < 0) {
        log_warning(exchange->service->log, "request %s: the client does not read its results",
                    exchange->id);
        exchange->gone = true;
    } else {
        memcpy(outgoing->bytes + outgoing->length, bytes, length);
        outgoing->length += length;
    }
    resume(exchange);
}

void http_exchange_write_event(struct http_exchange *exchange, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(event);
    if (text) {
        http_exchange_write(exchange, "data: ", 6);
        http_exchange_write(exchange, text, strlen(text));
        http_exchange_write(exchange, "\n\n", 2);
    } else {
        exchange->gone = true; /* out of memory */
        resume(exchange);
    }
    free(text);
}

void http_exchange_end_stream(struct http_exchange *exchange)
{
    exchange->outgoing.ended = true;
    resume(exchange);
}

void http_exchange_abandon(struct http_exchange *exchange)
{
    exchange->gone = true;
    resume(exchange);
}

const char *http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}
