// SPDX-License-Identifier: MIT
#include "daemon/common/wyoming.h"

#include "daemon/common/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct wyoming_limits wyoming_limits_default = {
    .header = 64 * 1024,
    .data = 1024 * 1024,
    .payload = 4 * 1024 * 1024,
    .depth = 32,
};

/* An idle parser frees a larger buffer, so that one large event does not occupy memory for the
 * lifetime of its connection. */
#define IDLE_CAPACITY ((size_t)256 * 1024)

/* ---- Bytes to events ---- */

void wyoming_parser_init(struct wyoming_parser *parser, const struct wyoming_limits *limits)
{
    *parser = (struct wyoming_parser){
        .limits = limits ? *limits : wyoming_limits_default,
    };
}

void wyoming_parser_finish(struct wyoming_parser *parser)
{
    json_decref(parser->header);
    free(parser->bytes);
    *parser = (struct wyoming_parser){.failure = -EINVAL};
}

/* Breaks the parser for good. */
static int __attribute__((format(printf, 3, 4)))
fail(struct wyoming_parser *parser, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->error.message, sizeof(parser->error.message), format, arguments);
    va_end(arguments);
    /* Jansson quotes the invalid text: keep the peer's control characters out of logs and answers.
     */
    for (char *c = parser->error.message; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    parser->failure = code;
    return code;
}

static void drop_event(struct wyoming_parser *parser)
{
    if (!parser->header_known) {
        json_decref(parser->header);
        parser->header = NULL;
    }
}

static int make_room(struct wyoming_parser *parser, size_t length)
{
    if (parser->begin > 0) {
        memmove(parser->bytes, parser->bytes + parser->begin, parser->end - parser->begin);
        parser->end -= parser->begin;
        parser->begin = 0;
    }
    if (parser->end == 0 && parser->capacity > IDLE_CAPACITY) {
        free(parser->bytes);
        parser->bytes = NULL;
        parser->capacity = 0;
    }
    if (length <= parser->capacity - parser->end)
        return 0;
    if (length > SIZE_MAX / 2 - parser->end)
        return -ENOMEM;
    size_t capacity = parser->end + length;
    if (capacity < parser->capacity * 2)
        capacity = parser->capacity * 2;
    uint8_t *bytes = realloc(parser->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    parser->bytes = bytes;
    parser->capacity = capacity;
    return 0;
}

static int copy_failure(const struct wyoming_parser *parser, struct hearken_error *error)
{
    if (error)
        *error = parser->error;
    return parser->failure;
}

int wyoming_parser_feed(struct wyoming_parser *parser, const void *bytes, size_t length,
                        struct hearken_error *error)
{
    drop_event(parser);
    if (parser->failure < 0 || length == 0)
        return 0;
    if (make_room(parser, length) < 0) {
        fail(parser, -ENOMEM, "out of memory for an event of more than %zu bytes",
             parser->end - parser->begin);
        return copy_failure(parser, error);
    }
    memcpy(parser->bytes + parser->end, bytes, length);
    parser->end += length;
    return 0;
}

/* Jansson recurses with each level, up to 2048: so check first. The count may be wrong for text
 * that is not JSON, which Jansson rejects anyway. */
static bool nests_deeper(const uint8_t *text, size_t length, unsigned limit)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > limit)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* Parses one JSON object. NULL on failure, which is permanent. */
static json_t *load_object(struct wyoming_parser *parser, const char *what, const uint8_t *text,
                           size_t length)
{
    if (nests_deeper(text, length, parser->limits.depth)) {
        fail(parser, -EMSGSIZE, "%s: JSON nested deeper than %u levels", what,
             parser->limits.depth);
        return NULL;
    }
    json_error_t problem;
    json_t *object = json_loadb((const char *)text, length, 0, &problem);
    if (!object) {
        fail(parser, json_error_code(&problem) == json_error_out_of_memory ? -ENOMEM : -EBADMSG,
             "%s: expected a JSON object: %s", what, problem.text);
    } else if (!json_is_object(object)) {
        fail(parser, -EBADMSG, "%s: expected a JSON object, got an array", what);
        json_decref(object);
        object = NULL;
    }
    return object;
}

/* Reads a length from the header; absent or null is 0. */
static int read_length(struct wyoming_parser *parser, const char *name, size_t limit,
                       size_t *length)
{
    *length = 0;
    const json_t *value = json_object_get(parser->header, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return fail(parser, -EBADMSG, "header: %s: got %s, expected a number of bytes", name,
                    json_integer_value(value) < 0 ? "a negative number" : json_type_name(value));
    json_int_t bytes = json_integer_value(value);
    if ((uintmax_t)bytes > limit)
        return fail(parser, -EMSGSIZE,
                    "header: %s: %" JSON_INTEGER_FORMAT " bytes, the limit is %zu", name, bytes,
                    limit);
    *length = (size_t)bytes;
    return 0;
}

static int check_header(struct wyoming_parser *parser)
{
    const json_t *type = json_object_get(parser->header, "type");
    if (!json_is_string(type) || json_string_length(type) == 0)
        return fail(parser, -EBADMSG, "header: type: got %s, expected the name of an event",
                    json_is_string(type) ? "an empty string" : json_type_name(type));
    const json_t *data = json_object_get(parser->header, "data");
    if (data && !json_is_null(data) && !json_is_object(data))
        return fail(parser, -EBADMSG, "header: data: got %s, expected an object",
                    json_type_name(data));
    int result = read_length(parser, "data_length", parser->limits.data, &parser->data_length);
    if (result < 0)
        return result;
    return read_length(parser, "payload_length", parser->limits.payload, &parser->payload_length);
}

/* 1: the header line is complete and parsed, 0: more bytes are needed. */
static int parse_header(struct wyoming_parser *parser)
{
    const uint8_t *line = parser->bytes + parser->begin;
    size_t held = parser->end - parser->begin;
    const uint8_t *newline = NULL;
    if (held > parser->scanned)
        newline = memchr(line + parser->scanned, '\n', held - parser->scanned);
    size_t length = newline ? (size_t)(newline - line) + 1 : held;
    if (length > parser->limits.header)
        return fail(parser, -EMSGSIZE, "header: longer than %zu bytes", parser->limits.header);
    parser->scanned = held;
    if (!newline)
        return 0;
    parser->header = load_object(parser, "header", line, length);
    if (!parser->header)
        return parser->failure;
    int result = check_header(parser);
    if (result < 0)
        return result;
    parser->begin += length;
    parser->scanned = 0;
    parser->header_known = true;
    return 1;
}

/* Merges the event's data into "data" of the header object. */
static int parse_data(struct wyoming_parser *parser)
{
    json_t *data = json_object_get(parser->header, "data");
    if (!json_is_object(data)) {
        if (json_object_set_new(parser->header, "data", json_object()) < 0)
            return fail(parser, -ENOMEM, "out of memory for an event");
        data = json_object_get(parser->header, "data");
    }
    if (parser->data_length == 0)
        return 0;
    json_t *more = load_object(parser, "data", parser->bytes + parser->begin, parser->data_length);
    if (!more)
        return parser->failure;
    int result = json_object_update(data, more);
    json_decref(more);
    return result < 0 ? fail(parser, -ENOMEM, "out of memory for an event") : 0;
}

int wyoming_parser_next(struct wyoming_parser *parser, struct wyoming_event *event,
                        struct hearken_error *error)
{
    drop_event(parser);
    if (parser->failure < 0)
        return copy_failure(parser, error);
    if (!parser->header_known) {
        int result = parser->begin < parser->end ? parse_header(parser) : 0;
        if (result <= 0)
            return result < 0 ? copy_failure(parser, error) : 0;
    }
    if (parser->end - parser->begin < parser->data_length + parser->payload_length)
        return 0;
    if (parse_data(parser) < 0)
        return copy_failure(parser, error);
    *event = (struct wyoming_event){
        .type = json_string_value(json_object_get(parser->header, "type")),
        .data = json_object_get(parser->header, "data"),
        .payload = parser->bytes + parser->begin + parser->data_length,
        .payload_length = parser->payload_length,
    };
    parser->begin += parser->data_length + parser->payload_length;
    parser->header_known = false;
    return 1;
}

bool wyoming_parser_idle(const struct wyoming_parser *parser)
{
    return parser->failure == 0 && !parser->header_known && parser->begin == parser->end;
}

/* ---- Events to bytes ---- */

void wyoming_buffer_finish(struct wyoming_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct wyoming_buffer){0};
}

static int append(struct wyoming_buffer *buffer, const void *bytes, size_t length)
{
    if (length > SIZE_MAX / 2 - buffer->length)
        return -ENOMEM;
    if (length > buffer->capacity - buffer->length) {
        size_t capacity = (buffer->length + length) * 2;
        uint8_t *larger = realloc(buffer->bytes, capacity);
        if (!larger)
            return -ENOMEM;
        buffer->bytes = larger;
        buffer->capacity = capacity;
    }
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    return 0;
}

static int append_text(const char *text, size_t length, void *buffer)
{
    return append(buffer, text, length);
}

static int append_json(struct wyoming_buffer *buffer, const json_t *value)
{
    size_t before = buffer->length;
    if (json_dump_callback(value, append_text, buffer, JSON_COMPACT) == 0)
        return 0;
    buffer->length = before;
    return -EINVAL;
}

static json_t *build_header(const char *type, size_t data_length, size_t payload_length)
{
    json_t *header = json_pack("{s:s}", "type", type);
    if (!header)
        return NULL;
    int result = 0;
    if (data_length > 0)
        result |= json_object_set_new(header, "data_length", json_integer((json_int_t)data_length));
    if (payload_length > 0)
        result |=
            json_object_set_new(header, "payload_length", json_integer((json_int_t)payload_length));
    if (result == 0)
        return header;
    json_decref(header);
    return NULL;
}

int wyoming_serialise(const char *type, const json_t *data, const void *payload,
                      size_t payload_length, struct wyoming_buffer *buffer)
{
    size_t before = buffer->length;
    struct wyoming_buffer text = {0};
    json_t *header = NULL;
    int result = 0;
    if (data && json_object_size(data) > 0)
        result = append_json(&text, data);
    if (result < 0)
        goto done;
    header = build_header(type, text.length, payload_length);
    result = header ? append_json(buffer, header) : -EINVAL;
    if (result == 0)
        result = append(buffer, "\n", 1);
    if (result == 0)
        result = append(buffer, text.bytes, text.length);
    if (result == 0)
        result = append(buffer, payload, payload_length);
    if (result < 0)
        buffer->length = before;
done:
    json_decref(header);
    wyoming_buffer_finish(&text);
    return result;
}
