// SPDX-License-Identifier: MIT
#include "daemon/http/request_headers.h"

#include "daemon/common/spaced_list.h"
#include "daemon/http/header_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- Keys and origins ---- */

/* What stands behind a scheme of the header Authorization, such as "Bearer"; NULL: another one. */
static const char *behind_scheme(const char *value, const char *scheme)
{
    size_t length = strlen(scheme);
    if (strncasecmp(value, scheme, length) != 0 || value[length] != ' ')
        return NULL;
    return value + length + strspn(value + length, " ");
}

/* Pages cannot set headers of a WebSocket, but its subprotocols: OpenAI's clients then send
 * "realtime, openai-insecure-api-key.KEY", Deepgram's "token, KEY". */
static const char *key_of_subprotocols(const struct http_exchange *exchange, char *key, size_t size)
{
    static const char prefix[] = "openai-insecure-api-key.";
    const char *list = http_exchange_header(exchange, MHD_HTTP_HEADER_SEC_WEBSOCKET_PROTOCOL);
    bool next_is_key = false;
    const char *item;
    size_t length;
    while (list && (item = header_list_next(&list, &length))) {
        bool has_prefix = length > strlen(prefix) && strncmp(item, prefix, strlen(prefix)) == 0;
        if (has_prefix || next_is_key) {
            size_t skip = has_prefix ? strlen(prefix) : 0;
            snprintf(key, size, "%.*s", (int)(length - skip), item + skip);
            return length - skip < size ? key : NULL;
        }
        next_is_key = (length == 5 && strncmp(item, "token", length) == 0) ||
                      (length == 6 && strncmp(item, "bearer", length) == 0);
    }
    return NULL;
}

static const char *key_of(const struct http_exchange *exchange, char *room, size_t size)
{
    const char *value = http_exchange_header(exchange, MHD_HTTP_HEADER_AUTHORIZATION), *key;
    if (value && ((key = behind_scheme(value, "Bearer")) || (key = behind_scheme(value, "Token"))))
        return key;
    if ((key = http_exchange_header(exchange, "api-key")) ||
        (key = http_exchange_header(exchange, "X-API-Key")) ||
        (key = key_of_subprotocols(exchange, room, size)))
        return key;
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "api_key");
}

bool request_headers_check_key(struct http_exchange *exchange, const struct access_tokens *tokens)
{
    char room[512];
    const char *key = key_of(exchange, room, sizeof(room));
    if (access_tokens_match(tokens, key))
        return true;
    http_exchange_fail(exchange, 401, "invalid_api_key", NULL,
                       "got %s, expected one of this server's (Authorization: Bearer KEY)",
                       key ? "a key that is not known" : "no key");
    if (exchange->response)
        MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    return false;
}

void request_headers_find_origin(struct http_exchange *exchange)
{
    const char *allowed = exchange->service->settings.http_allow_origins;
    const char *origin = http_exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN);
    if (!origin || strlen(origin) >= sizeof(exchange->origin))
        return;
    if (spaced_list_has(allowed, origin) || spaced_list_has(allowed, "*"))
        strcpy(exchange->origin, origin);
}

void request_headers_add_origin(const struct http_exchange *exchange, struct MHD_Response *response)
{
    if (*exchange->origin == '\0')
        return;
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN,
                            exchange->origin);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
                            "X-Request-Id, Retry-After");
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
}

void request_headers_answer_preflight(struct http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response && *exchange->origin) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                                "GET, POST, OPTIONS");
        const char *wanted = http_exchange_header(exchange, "Access-Control-Request-Headers");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                                wanted ? wanted : "Authorization, Content-Type");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "86400");
    }
    http_exchange_answer(exchange, MHD_HTTP_NO_CONTENT, response);
}

/* ---- Identity ---- */

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

void request_headers_identify(struct http_exchange *exchange)
{
    const char *id = http_exchange_header(exchange, "X-Request-Id");
    const char *trace = http_exchange_header(exchange, "traceparent");
    if (id && *id && strlen(id) < sizeof(exchange->id) && is_printable(id)) {
        strcpy(exchange->id, id);
    } else {
        unsigned char bytes[12] = {0};
        if (getrandom(bytes, sizeof(bytes), 0) < 0)
            memcpy(bytes, &exchange->began, sizeof(exchange->began));
        char *end = stpcpy(exchange->id, "req_");
        for (size_t i = 0; i < sizeof(bytes); i++)
            end += sprintf(end, "%02x", bytes[i]);
    }
    if (trace && strlen(trace) < sizeof(exchange->trace) && is_printable(trace))
        strcpy(exchange->trace, trace);
}

/* ---- The body ---- */

/* What the headers say of the body. */
struct body_statement {
    const char *wrong; /* a header that programs understand differently, or NULL */
    unsigned count;    /* of lengths and encodings: where the body ends */
    bool chunked;
    uint64_t length;
};

static bool is_token(const char *name, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && (!name[i] || !strchr(others, name[i])))
            return false;
    return size > 0;
}

static bool is_number(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits < 20 && value[digits] == '\0';
}

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct body_statement *body = context;
    (void)kind;
    const char *text = value ? value : "";
    if (!is_token(name, name_size) || strlen(text) != value_size) {
        body->wrong = "a name or a value has characters that it may not have";
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        body->count++;
        body->length = strtoull(text, NULL, 10);
        if (!is_number(text))
            body->wrong = "Content-Length is no number";
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        body->count++;
        body->chunked = true;
        if (strcasecmp(text, "chunked") != 0)
            body->wrong = "Transfer-Encoding is not chunked";
    }
    return MHD_YES;
}

void request_headers_check_body(struct http_exchange *exchange, const char *version)
{
    uint64_t limit = (uint64_t)exchange->service->settings.http_upload_mib << 20;
    struct body_statement body = {0};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, read_header, &body);
    exchange->body_length = body.chunked ? UINT64_MAX : body.length;
    if (!body.wrong && body.count > 1)
        body.wrong = "the length of the body is stated twice";
    if (!body.wrong && body.chunked && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        body.wrong = "Transfer-Encoding needs HTTP/1.1";
    if (body.wrong) {
        exchange->early = true; /* where the body ends is anybody's guess */
        http_exchange_fail(exchange, 400, NULL, NULL, "headers: %s", body.wrong);
    } else if (!body.chunked && body.length > limit) {
        http_exchange_fail(exchange, 413, "too_large", "file",
                           "the body has %llu bytes, expected at most %llu (http.upload_mib)",
                           (unsigned long long)body.length, (unsigned long long)limit);
    }
}
