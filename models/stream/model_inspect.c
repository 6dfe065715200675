// SPDX-License-Identifier: MIT
#include "models/checkpoint/model_open.h"
#include "models/file/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits for values: elements of an array, bytes of a string. */
#define SHOWN_ELEMENTS 8u
#define SHOWN_BYTES    400u

/* Text of limited length: what does not fit is left out. */
struct text {
    char data[2048];
    size_t length;
    int result; /* -ENOMEM: a part is missing */
};

HEARKEN_PRINTF(2, 3) static void append(struct text *text, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof(text->data) - text->length;
    va_start(arguments, format);
    int length = vsnprintf(text->data + text->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void append_string(struct text *text, struct gguf_string string)
{
    bool cut = string.length > SHOWN_BYTES;
    char *repaired = utf8_repair(string.data, cut ? SHOWN_BYTES : string.length);
    if (repaired)
        append(text, "%s%s", repaired, cut ? " …" : "");
    else
        text->result = -ENOMEM;
    free(repaired);
}

static void append_number(struct text *text, const struct gguf_entry *entry, uint64_t index)
{
    double value = gguf_number(entry, index);
    if (entry->type == GGUF_BOOL)
        append(text, "%s", value != 0 ? "true" : "false");
    else
        append(text, "%.10g", value);
}

static void describe_value(struct text *text, const struct gguf_entry *entry)
{
    const uint8_t *cursor = entry->data;
    uint64_t shown = entry->count < SHOWN_ELEMENTS ? entry->count : SHOWN_ELEMENTS;
    if (entry->is_array)
        append(text, "[");
    for (uint64_t i = 0; i < shown; i++) {
        append(text, "%s", i ? ", " : "");
        if (entry->type == GGUF_STRING)
            append_string(text, gguf_next_string(&cursor));
        else
            append_number(text, entry, i);
    }
    if (shown < entry->count)
        append(text, ", … %" PRIu64 " in all", entry->count);
    if (entry->is_array)
        append(text, "]");
}

static int report_entry(const struct gguf_entry *entry, hearken_model_item_callback *callback,
                        void *context)
{
    struct text value = {.length = 0}, type = {.length = 0};
    describe_value(&value, entry);
    append(&type, "%s%s", gguf_type_name(entry->type), entry->is_array ? "[]" : "");
    const struct hearken_model_item item = {
        .name = entry->name, .type = type.data, .value = value.data};
    if (value.result == 0)
        callback(context, &item);
    return value.result;
}

static void report_tensor(const struct gguf_tensor *tensor, hearken_model_item_callback *callback,
                          void *context)
{
    struct text shape = {.length = 0};
    for (uint32_t i = tensor->rank; i-- > 0;)
        append(&shape, "%" PRIu64 "%s", tensor->shape[i], i ? " x " : "");
    const struct hearken_model_item item = {
        .name = tensor->name,
        .type = gguf_tensor_type_name(tensor->type),
        .shape = shape.data,
        .bytes = tensor->bytes,
    };
    callback(context, &item);
}

int hearken_model_inspect(const char *path, hearken_model_item_callback *callback, void *context,
                          struct hearken_error *error)
{
    struct gguf *gguf;
    int result = model_file_open(path, GGUF_HEAD, &gguf, NULL, error);
    if (result < 0)
        return result;
    for (uint64_t i = 0; result == 0 && i < gguf->entry_count; i++)
        result = report_entry(&gguf->entries[i], callback, context);
    for (uint64_t i = 0; result == 0 && i < gguf->tensor_count; i++)
        report_tensor(&gguf->tensors[i], callback, context);
    gguf_destroy(gguf);
    return result < 0 ? hearken_fail(error, result, "%s: out of memory", path) : 0;
}
