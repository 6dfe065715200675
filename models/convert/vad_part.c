// SPDX-License-Identifier: MIT
#include "models/convert/vad_part.h"

#include "models/checkpoint/gguf_writer.h"

#include <errno.h>
#include <string.h>

static bool is_voice_key(const char *name)
{
    return strncmp(name, "hearken.voice.", 14) == 0;
}

static bool is_voice_tensor(const char *name)
{
    return strncmp(name, "voice.", 6) == 0;
}

/* Keys that the writer sets itself. */
static bool is_layout_key(const char *name)
{
    return strcmp(name, "general.alignment") == 0;
}

/* Adds the parts of `from` that belong to the voice network (`voice`), or those that do not. */
static void add_parts(struct gguf_writer *writer, const struct gguf *from, bool voice)
{
    for (uint64_t i = 0; i < from->entry_count; i++)
        if (is_voice_key(from->entries[i].name) == voice && !is_layout_key(from->entries[i].name))
            gguf_add_entry(writer, &from->entries[i]);
    for (uint64_t i = 0; i < from->tensor_count; i++) {
        const struct gguf_tensor *tensor = &from->tensors[i];
        if (is_voice_tensor(tensor->name) == voice)
            gguf_add_tensor(writer, tensor->name, tensor->type, tensor->rank, tensor->shape);
    }
}

static void write_parts(struct gguf_writer *writer, const struct gguf *from, bool voice)
{
    for (uint64_t i = 0; i < from->tensor_count; i++)
        if (is_voice_tensor(from->tensors[i].name) == voice)
            gguf_write_tensor(writer, &from->tensors[i]);
}

static double number_of(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    bool number = entry && !entry->is_array && entry->type != GGUF_STRING;
    return number ? gguf_number(entry, 0) : 0;
}

/* Checks only what concerns both files; the rest is checked when the model is loaded. */
static int check(const char *model_path, const struct gguf *model, const char *voice_path,
                 const struct gguf *voice, struct hearken_error *error)
{
    double mels = number_of(model, "hearken.features.mels");
    double heard = number_of(voice, "hearken.voice.mels");
    if (heard <= 0)
        return hearken_fail(error, -EINVAL, "%s: no voice network, expected hearken.voice.mels",
                            voice_path);
    if (mels == heard)
        return 0;
    return hearken_fail(error, -EINVAL, "%s: hearken.features.mels is %g, expected the voice's %g",
                        model_path, mels, heard);
}

int voice_part_mels(const char *voice, uint32_t *mels, struct hearken_error *error)
{
    struct gguf *file;
    int result = gguf_open(voice, GGUF_WHOLE, &file, error);
    if (result < 0)
        return result;
    double number = number_of(file, "hearken.voice.mels");
    *mels = number >= 1 && number <= UINT32_MAX ? (uint32_t)number : 0;
    gguf_destroy(file);
    return 0;
}

int voice_part_add(const char *model, const char *voice, const char *output,
                   struct hearken_error *error)
{
    struct gguf *model_file = NULL, *voice_file = NULL;
    struct gguf_writer *writer = NULL;
    int result;
    if ((result = gguf_open(model, GGUF_WHOLE, &model_file, error)) < 0 ||
        (result = gguf_open(voice, GGUF_WHOLE, &voice_file, error)) < 0 ||
        (result = check(model, model_file, voice, voice_file, error)) < 0 ||
        (result = gguf_writer_create(output, &writer, error)) < 0)
        goto finish;
    add_parts(writer, model_file, false);
    add_parts(writer, voice_file, true);
    gguf_write_head(writer);
    write_parts(writer, model_file, false);
    write_parts(writer, voice_file, true);
    result = gguf_writer_finish(writer);
finish:
    gguf_writer_destroy(writer);
    gguf_destroy(voice_file);
    gguf_destroy(model_file);
    return result;
}
