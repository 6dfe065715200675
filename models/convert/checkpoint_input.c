// SPDX-License-Identifier: MIT
#include "models/convert/checkpoint_input.h"

#include "models/checkpoint/ggml.h"
#include "models/checkpoint/whisper_known.h"
#include "models/convert/ct2.h"
#include "models/convert/hugging_face.h"
#include "models/convert/json_lists.h"
#include "models/convert/torch_archive.h"
#include "models/convert/vocabulary_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Finds the file in a directory that holds the tensors. */
static int find_in_directory(const char *directory, char *path, struct hearken_error *error)
{
    static const char *const names[] = {
        "model.bin",
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int result = config_path(path, directory, names[i], error);
        if (result < 0 || access(path, F_OK) == 0)
            return result;
    }
    return hearken_fail(error, -ENOENT,
                        "%s: no checkpoint in it, expected model.bin, model.safetensors, "
                        "model.safetensors.index.json or pytorch_model.bin",
                        directory);
}

/* Finds the file with the tensors and its directory. */
static int find_file(const char *input, char *path, char *directory, struct hearken_error *error)
{
    struct stat status;
    if (stat(input, &status) < 0)
        return hearken_fail(error, -errno, "%s: %s", input, strerror(errno));
    int length = snprintf(path, MAX_PATH, "%s", input);
    if (length < 0 || (unsigned)length >= MAX_PATH)
        return hearken_fail(error, -ENAMETOOLONG, "%.80s...: the path is too long", input);
    memcpy(directory, path, (size_t)length + 1);
    if (S_ISDIR(status.st_mode))
        return find_in_directory(input, path, error);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = 0;
    else
        strcpy(directory, ".");
    return 0;
}

static bool begins_with(struct mapping mapping, const char *text)
{
    return mapping.size >= strlen(text) && memcmp(mapping.data, text, strlen(text)) == 0;
}

static int read_tensors(struct checkpoint *c, const char *path, const char *directory,
                        struct hearken_error *error)
{
    uint8_t start[8];
    struct mapping mapping;
    /* libzip reads from the file as it needs it. */
    if (torch_begins(start, checkpoint_peek(path, start, sizeof(start))))
        return torch_read(c, path, directory, error);
    int result = checkpoint_load(c, path, &mapping, error);
    if (result < 0)
        return result;
    if (begins_with(mapping, "GGUF"))
        return hearken_fail(error, -EINVAL,
                            "%s: already a GGUF file, expected a Whisper checkpoint", path);
    if (ggml_begins(mapping.data, mapping.size))
        return ggml_read(c, mapping, path, error);
    if (safetensors_begins(mapping.data, mapping.size) || begins_with(mapping, "{")) {
        c->format = "safetensors";
        result = begins_with(mapping, "{") ? safetensors_read_index(c, path, directory, error)
                                           : safetensors_read(c, mapping, path, error);
        if (result < 0 || (result = checkpoint_sort(c, path, error)) < 0)
            return result;
        return hugging_face_read_config(c, directory, error);
    }
    if (ct2_begins(mapping.data, mapping.size))
        return ct2_read(c, mapping, path, directory, error);
    return hearken_fail(
        error, -EINVAL,
        "%s: not a checkpoint, expected CTranslate2's model.bin, whisper.cpp's ggml "
        "file, safetensors or OpenAI's .pt",
        path);
}

static int read_tokens(struct checkpoint *c, const char *directory, const char *vocabulary,
                       struct hearken_error *error)
{
    const struct checkpoint_tensor *embedding =
        checkpoint_find(c, "decoder.token_embedding.weight");
    if (c->tokens.count > 0 && !vocabulary)
        return 0;
    if (!embedding || embedding->shape[0] > 1000000)
        return hearken_fail(
            error, -EINVAL,
            "'decoder.token_embedding.weight' is missing or has more than a million "
            "rows, expected a Whisper model");
    tokens_finish(&c->tokens);
    return vocabulary_files_read(&c->tokens, vocabulary ? vocabulary : directory,
                                 (uint32_t)embedding->shape[0], error);
}

int input_open(struct checkpoint *checkpoint, struct whisper *whisper, const char *path,
               const char *vocabulary, struct hearken_error *error)
{
    char file[MAX_PATH], directory[MAX_PATH];
    struct hearken_error inside = {""};
    *checkpoint = (struct checkpoint){0};
    int result = find_file(path, file, directory, error);
    if (result < 0 || (result = read_tensors(checkpoint, file, directory, error)) < 0 ||
        (result = read_tokens(checkpoint, directory, vocabulary, error)) < 0)
        return result;
    if ((result = whisper_read(whisper, checkpoint, &inside)) < 0)
        return hearken_fail(error, result, "%s: %.900s", file, inside.message);
    return known_fill_in(checkpoint, whisper, error);
}
