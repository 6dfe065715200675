// SPDX-License-Identifier: MIT
#include "models/stream/model.h"

#include "frontend/features/logmel.h"
#include "include/internal/utf8.h"
#include "models/checkpoint/model_open.h"
#include "models/file/installed_models.h"
#include "models/stream/encoder_pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Segments that are recognised at the same time: while one is encoded, another is spelled. */
#define SEGMENTS_PER_PROCESSOR 2u

const char *hearken_version(void)
{
    return HEARKEN_VERSION;
}

/* A metadata string as UTF-8, "" if absent; made with malloc. */
static char *copy_string(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    if (!entry || entry->is_array || entry->type != GGUF_STRING)
        return strdup("");
    struct gguf_string string = gguf_string(entry);
    return utf8_repair(string.data, string.length);
}

/*
 * Reads the voice activity network of the model file. Converted formats have none: for these it
 * takes the installed one, if its features fit.
 */
static int read_vad(struct hearken_model *m, struct hearken_error *error)
{
    const struct network *n = m->network;
    uint32_t mels = n->parameters.features.mels;
    char path[4096];
    struct gguf *gguf;
    if (!n->converted)
        return vad_read(n->gguf, mels, &m->vad, error);
    if (!installed_file("voice.gguf", path, sizeof(path)))
        return 0;
    int result = gguf_open(path, GGUF_WHOLE, &gguf, error);
    if (result < 0)
        return result == -ENOMEM ? result : 0;
    const struct gguf_entry *entry = gguf_find_entry(gguf, "hearken.voice.mels");
    bool fits = entry && !entry->is_array && entry->type == GGUF_U32 &&
                gguf_number(entry, 0) == (double)mels;
    if (fits)
        result = vad_read(gguf, mels, &m->vad, error);
    gguf_destroy(gguf);
    return result;
}

int hearken_model_open(const char *path, const struct hearken_backend_options *options,
                       struct hearken_model **model, struct hearken_error *error)
{
    struct hearken_backend_options own;
    int result = backend_options_read(&own, options, error);
    if (result < 0)
        return result;
    if (!path)
        return hearken_fail(error, -EINVAL, "path is NULL, expected a model file");
    struct hearken_model *m = calloc(1, sizeof(*m));
    if (!m)
        return hearken_fail(error, -ENOMEM, "out of memory");
    result = network_open(path, &own, &m->network, error);
    if (result < 0)
        goto failed;
    const struct network *n = m->network;
    result = logmel_create(n->parameters.features.mels, n->window, n->mel_filters, &m->logmel);
    if (result < 0) {
        hearken_fail(error, result, "%s: features.window or features.mel_filters: %s", path,
                     strerror(-result));
        goto failed;
    }
    struct hearken_error inside = {""};
    result = read_vad(m, &inside);
    if (result < 0) {
        hearken_fail(error, result, "%s: %.400s", path, inside.message);
        goto failed;
    }
    if ((result = encoder_pool_create(n, m->logmel, &m->encoders)) < 0) {
        hearken_fail(error, result, "out of memory");
        goto failed;
    }
    m->name = copy_string(n->gguf, "general.name");
    m->description = copy_string(n->gguf, "general.description");
    if (!m->name || !m->description) {
        result = hearken_fail(error, -ENOMEM, "out of memory");
        goto failed;
    }
    *model = m;
    return 0;
failed:
    hearken_model_destroy(m);
    return result;
}

void hearken_model_destroy(struct hearken_model *model)
{
    if (!model)
        return;
    encoder_pool_destroy(model->encoders);
    vad_destroy(model->vad);
    logmel_destroy(model->logmel);
    network_destroy(model->network);
    free(model->name);
    free(model->description);
    free(model);
}

unsigned model_take_segment_threads(struct hearken_model *model, unsigned most)
{
    const unsigned parallel = compute_parallel_queues(model->network->compute);
    const unsigned all = parallel > 1 ? SEGMENTS_PER_PROCESSOR * parallel : 0;
    unsigned used = atomic_load(&model->segment_threads), taken;
    do {
        taken = used < all ? all - used : 0;
        if (taken > most)
            taken = most;
        if (taken < 2)
            return 0;
    } while (!atomic_compare_exchange_weak(&model->segment_threads, &used, used + taken));
    return taken;
}

void model_give_segment_threads(struct hearken_model *model, unsigned count)
{
    atomic_fetch_sub(&model->segment_threads, count);
}

size_t hearken_model_languages(const struct hearken_model *model, const char *const **codes)
{
    *codes = (const char *const *)model->network->control.supported;
    return model->network->control.supported_count;
}

static void list_codes(const struct control_tokens *control, char *codes, size_t size)
{
    size_t length = 0;
    for (uint32_t i = 0; i < control->supported_count; i++) {
        size_t more = strlen(control->supported[i]) + (i > 0);
        if (length + more >= size)
            return;
        length += (size_t)snprintf(codes + length, size - length, "%s%s", i ? "," : "",
                                   control->supported[i]);
    }
}

int hearken_model_file_languages(const char *path, char *codes, size_t size,
                                 struct hearken_error *error)
{
    struct gguf *gguf = NULL;
    struct parameters parameters;
    struct vocabulary vocabulary = {0};
    struct control_tokens control = {0};
    struct hearken_error inside = {""};
    if (size > 0)
        *codes = 0;
    int result = model_file_open(path, GGUF_HEAD, &gguf, NULL, error);
    if (result < 0)
        return result;
    if ((result = parameters_read(&parameters, gguf, &inside)) == 0 &&
        (result = vocabulary_read(&vocabulary, gguf, &inside)) == 0)
        result = control_tokens_find(&control, &vocabulary, &parameters.speller, gguf);
    if (result == 0)
        list_codes(&control, codes, size);
    else
        hearken_fail(error, result, "%s: %.400s", path,
                     *inside.message ? inside.message : strerror(-result));
    control_tokens_finish(&control);
    vocabulary_finish(&vocabulary);
    gguf_destroy(gguf);
    return result;
}

const char *hearken_model_name(const struct hearken_model *model)
{
    return model->name;
}

const char *hearken_model_description(const struct hearken_model *model)
{
    return model->description;
}

const char *hearken_model_backend(const struct hearken_model *model)
{
    return compute_name(model->network->compute);
}

/* ---- Inspecting a file ---- */

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
    if (!path)
        return hearken_fail(error, -EINVAL, "path is NULL, expected a model file");
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
