// SPDX-License-Identifier: MIT
#include "models/stream/model.h"

#include "frontend/features/logmel.h"
#include "models/checkpoint/model_open.h"
#include "models/file/installed_models.h"
#include "models/file/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)

const char *hearken_version(void)
{
    return NUMBER(HEARKEN_VERSION_MAJOR) "." NUMBER(HEARKEN_VERSION_MINOR) "." NUMBER(
        HEARKEN_VERSION_PATCH);
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
    struct hearken_model *m = calloc(1, sizeof(*m));
    if (!m)
        return hearken_fail(error, -ENOMEM, "out of memory");
    int result = network_open(path, options, &m->network, error);
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
    vad_destroy(model->vad);
    logmel_destroy(model->logmel);
    network_destroy(model->network);
    free(model->name);
    free(model->description);
    free(model);
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
    return model->network->compute->plugin->name;
}
