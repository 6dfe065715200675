// SPDX-License-Identifier: MIT
#include "models/checkpoint/model_open.h"

#include "models/checkpoint/checkpoint_export.h"
#include "models/checkpoint/ggml.h"
#include "models/checkpoint/whisper_known.h"
#include "models/file/installed_models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANGUAGE "en" /* of the tokens that start a text */

static bool is_ggml(const char *path)
{
    uint8_t start[4];
    return ggml_begins(start, checkpoint_peek(path, start, sizeof(start)));
}

/* "models/ggml-base.bin" is called "ggml-base". Made with malloc. */
static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t length = strlen(base);
    if (length > 4 && strcmp(base + length - 4, ".bin") == 0)
        length -= 4;
    return strndup(base, length);
}

/* The descriptor of a GGUF file in memory. */
static int translate(const char *path, enum gguf_extent extent, struct hearken_error *error)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error inside = {""};
    struct whisper whisper;
    struct mapping mapping;
    char *name = name_of(path);
    int result = name ? checkpoint_load(&checkpoint, path, &mapping, error)
                      : hearken_fail(error, -ENOMEM, "out of memory");
    if (result < 0 || (result = ggml_read(&checkpoint, mapping, path, error)) < 0)
        goto finish;
    const struct model_file model = {
        .name = name,
        .description = "a model of whisper.cpp",
        .language = LANGUAGE,
        .no_values = extent == GGUF_HEAD,
        .release = true,
        .types = {GGUF_TENSOR_Q8_0, GGUF_TENSOR_Q8_0, .keep = true},
        .whisper = &whisper,
        .checkpoint = &checkpoint,
    };
    if ((result = whisper_read(&whisper, &checkpoint, &inside)) < 0 ||
        (result = known_fill_in(&checkpoint, &whisper, &inside)) < 0 ||
        (result = model_file_make(&model, &inside)) < 0)
        hearken_fail(error, result, "%s: %.900s", path, inside.message);
finish:
    checkpoint_finish(&checkpoint);
    free(name);
    return result;
}

/* If the current directory has a file of that name, the message says to write it as a path. */
static int fail_missing(const char *path, struct hearken_error *error)
{
    size_t length;
    const char *name = installed_namesake(path, &length);
    if (!name)
        return hearken_fail(error, -ENOENT, "%s: %s", path, strerror(ENOENT));
    return hearken_fail(error, -ENOENT, "%s: %s (what is here is ./%.*s)", path, strerror(ENOENT),
                        (int)length, name);
}

int model_file_open(const char *path, enum gguf_extent extent, struct gguf **gguf, bool *translated,
                    struct hearken_error *error)
{
    struct hearken_error inside = {""};
    bool other = is_ggml(path);
    if (translated)
        *translated = other;
    if (!other) {
        int result = gguf_open(path, extent, gguf, error);
        return result == -ENOENT ? fail_missing(path, error) : result;
    }
    int file = translate(path, extent, error);
    if (file < 0)
        return file;
    int result = gguf_open_private(file, gguf, &inside);
    close(file);
    return result < 0 ? hearken_fail(error, result, "%s: %.400s", path, inside.message) : 0;
}
