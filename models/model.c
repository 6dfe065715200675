// SPDX-License-Identifier: MIT
#include "model.h"

#include "logmel.h"
#include "utf8.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(x)    #x
#define NUMBER(x)  TEXT(x)
#define MODEL_FILE "share/hearken/hearken-en.gguf" /* beside the library's folder */

const char *hearken_version(void)
{
    return NUMBER(HEARKEN_VERSION_MAJOR) "." NUMBER(HEARKEN_VERSION_MINOR) "." NUMBER(
        HEARKEN_VERSION_PATCH);
}

char *hearken_default_model(char *path, size_t size)
{
    Dl_info info;
    if (!dladdr((const void *)MODEL_FILE, &info) || !info.dli_fname)
        return NULL;
    char *library = realpath(info.dli_fname, NULL);
    if (!library)
        return NULL;
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(library, '/');
        if (slash)
            *slash = 0;
    }
    int length = snprintf(path, size, "%s/" MODEL_FILE, library);
    free(library);
    return length > 0 && (size_t)length < size ? path : NULL;
}

/* A string of the metadata as UTF-8, "" if it is absent; made with malloc. */
static char *copy_string(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    if (!entry || entry->is_array || entry->type != GGUF_STRING)
        return strdup("");
    struct gguf_string string = gguf_string(entry);
    return utf8_repair(string.data, string.length);
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
    result = voice_read(n->gguf, n->parameters.features.mels, &m->voice, &inside);
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
    voice_destroy(model->voice);
    logmel_destroy(model->logmel);
    network_destroy(model->network);
    free(model->name);
    free(model->description);
    free(model);
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
