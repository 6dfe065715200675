// SPDX-License-Identifier: MIT
#include "models/convert/hugging_face.h"

#include "models/convert/json_lists.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Names ---- */

struct renaming {
    const char *from, *to;
};

static const struct renaming outside[] = {
    {"encoder.conv1", "encoder.conv1"},        {"encoder.conv2", "encoder.conv2"},
    {"encoder.layer_norm", "encoder.ln_post"}, {"decoder.embed_tokens", "decoder.token_embedding"},
    {"decoder.layer_norm", "decoder.ln"},
};

static const struct renaming inside[] = {
    {"self_attn_layer_norm", "attn_ln"},
    {"self_attn.q_proj", "attn.query"},
    {"self_attn.k_proj", "attn.key"},
    {"self_attn.v_proj", "attn.value"},
    {"self_attn.out_proj", "attn.out"},
    {"encoder_attn_layer_norm", "cross_attn_ln"},
    {"encoder_attn.q_proj", "cross_attn.query"},
    {"encoder_attn.k_proj", "cross_attn.key"},
    {"encoder_attn.v_proj", "cross_attn.value"},
    {"encoder_attn.out_proj", "cross_attn.out"},
    {"final_layer_norm", "mlp_ln"},
    {"fc1", "mlp.0"},
    {"fc2", "mlp.2"},
};

static const char *find(const struct renaming *table, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].from) == length && memcmp(table[i].from, name, length) == 0)
            return table[i].to;
    return NULL;
}

bool hugging_face_rename(const char *name, char *to)
{
    char part[8], layer[5];
    int at = 0;
    if (strncmp(name, "model.", 6) == 0)
        name += 6;
    const char *kind = strrchr(name, '.');
    if (!kind || (strcmp(kind, ".weight") != 0 && strcmp(kind, ".bias") != 0))
        return false;
    if (strcmp(name, "proj_out.weight") == 0)
        return snprintf(to, CHECKPOINT_MAX_NAME, "decoder.projection.weight") > 0;
    if (sscanf(name, "%7[a-z].", part) != 1 ||
        (strcmp(part, "encoder") != 0 && strcmp(part, "decoder") != 0))
        return false;
    if (strcmp(name + strlen(part), ".embed_positions.weight") == 0)
        return snprintf(to, CHECKPOINT_MAX_NAME, "%s.positional_embedding", part) > 0;
    if (sscanf(name, "%*[a-z].layers.%4[0-9].%n", layer, &at) == 1 && at > 0 && name + at < kind) {
        const char *found = find(inside, sizeof(inside) / sizeof(*inside), name + at,
                                 (size_t)(kind - name) - (size_t)at);
        if (found)
            snprintf(to, CHECKPOINT_MAX_NAME, "%s.blocks.%s.%s%s", part, layer, found, kind);
        return found;
    }
    const char *found =
        find(outside, sizeof(outside) / sizeof(*outside), name, (size_t)(kind - name));
    if (found)
        snprintf(to, CHECKPOINT_MAX_NAME, "%s%s", found, kind);
    return found;
}

/* ---- Configuration ---- */

static int expect_text(const json_t *root, const char *path, const char *key, const char *expected,
                       struct hearken_error *error)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (text && strcmp(text, expected) == 0)
        return 0;
    return hearken_fail(error, -EINVAL, "%s: %s is %.60s, expected %s", path, key,
                        text ? text : "missing", expected);
}

static const struct list_names names = {"alignment_heads", "suppress_tokens",
                                        "begin_suppress_tokens"};

static int read_config(struct checkpoint *c, const json_t *root, const char *path,
                       struct hearken_error *error)
{
    int result;
    if ((result = expect_text(root, path, "model_type", "whisper", error)) < 0 ||
        (json_object_get(root, "activation_function") &&
         (result = expect_text(root, path, "activation_function", "gelu", error)) < 0) ||
        (result = config_read_number(root, path, "encoder_attention_heads", &c->listener_heads,
                                     error)) < 0 ||
        (result = config_read_number(root, path, "decoder_attention_heads", &c->speller_heads,
                                     error)) < 0)
        return result;
    return 0;
}

/* The lists in generation_config.json take precedence; older models have them in config.json. */
int hugging_face_read_config(struct checkpoint *checkpoint, const char *directory,
                             struct hearken_error *error)
{
    char path[MAX_PATH], generation_path[MAX_PATH];
    json_t *root = NULL, *generation = NULL;
    int result;
    if ((result = config_path(path, directory, "config.json", error)) < 0 ||
        (result = config_path(generation_path, directory, "generation_config.json", error)) < 0 ||
        (result = json_file_read(path, &root, error)) < 0 ||
        (result = read_config(checkpoint, root, path, error)) < 0)
        goto finish;
    if (access(generation_path, F_OK) == 0 &&
        ((result = json_file_read(generation_path, &generation, error)) < 0 ||
         (result = config_read_lists(checkpoint, generation, generation_path, &names, error)) < 0))
        goto finish;
    result = config_read_lists(checkpoint, root, path, &names, error);
finish:
    json_decref(generation);
    json_decref(root);
    return result;
}

/* ---- safetensors ---- */

#define MAX_HEADER 100000000u /* the limit of the format's reference implementation */
#define MAX_FILES  1000u

struct header {
    struct checkpoint *checkpoint;
    const uint8_t *values; /* after the header */
    uint64_t size;         /* of the values */
    const char *path;
    struct hearken_error *error;
};

static uint64_t header_length(const uint8_t *data)
{
    uint64_t length;
    memcpy(&length, data, sizeof(length));
    return length;
}

bool safetensors_begins(const uint8_t *data, size_t size)
{
    return size > sizeof(uint64_t) && header_length(data) <= MAX_HEADER &&
           data[sizeof(uint64_t)] == '{';
}

static bool take_size(const json_t *value, uint64_t *size)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *size = (uint64_t)json_integer_value(value);
    return true;
}

static int set_type(const struct header *h, struct checkpoint_tensor *tensor, const json_t *type)
{
    static const enum value_type types[] = {VALUE_F32, VALUE_F16, VALUE_BF16};
    const char *text = json_string_value(type);
    for (size_t i = 0; text && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(text, value_type_name(types[i])) == 0) {
            tensor->type = types[i];
            return 0;
        }
    return hearken_fail(h->error, -EINVAL, "%s: '%s' is %.20s, expected F32, F16 or BF16", h->path,
                        tensor->name, text ? text : "of no type");
}

static int set_shape(const struct header *h, struct checkpoint_tensor *tensor, const json_t *shape)
{
    size_t rank = json_array_size(shape);
    if (json_is_array(shape) && rank <= CHECKPOINT_MAX_RANK) {
        tensor->rank = (uint32_t)rank;
        size_t i = 0;
        while (i < rank && take_size(json_array_get(shape, i), &tensor->shape[i]))
            i++;
        if (i == rank)
            return 0;
    }
    return hearken_fail(h->error, -EINVAL, "%s: '%s' has no shape of at most %d dimensions",
                        h->path, tensor->name, CHECKPOINT_MAX_RANK);
}

static int add_tensor(const struct header *h, const char *name, const json_t *entry)
{
    struct checkpoint_tensor tensor = {.name = ""};
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t start, end, bytes;
    int result;
    if (!hugging_face_rename(name, tensor.name))
        return 0;
    if ((result = set_type(h, &tensor, json_object_get(entry, "dtype"))) < 0 ||
        (result = set_shape(h, &tensor, json_object_get(entry, "shape"))) < 0)
        return result;
    if (json_array_size(offsets) != 2 || !take_size(json_array_get(offsets, 0), &start) ||
        !take_size(json_array_get(offsets, 1), &end) || start > end || end > h->size)
        return hearken_fail(h->error, -EINVAL,
                            "%s: '%.80s' has data_offsets that are not two numbers up to %" PRIu64
                            " (truncated?)",
                            h->path, name, h->size);
    tensor.data = h->values + start;
    if ((result = checkpoint_add(h->checkpoint, h->path, &tensor, end - start, &bytes, h->error)) ==
            0 &&
        bytes != end - start)
        result =
            hearken_fail(h->error, -EINVAL,
                         "%s: '%.80s' has %" PRIu64 " bytes, expected %" PRIu64 " by its shape",
                         h->path, name, end - start, bytes);
    return result;
}

int safetensors_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                     struct hearken_error *error)
{
    const size_t start = sizeof(uint64_t);
    json_error_t json_error;
    const char *name;
    json_t *entry;
    int result = 0;
    if (mapping.size < start || header_length(mapping.data) > mapping.size - start ||
        header_length(mapping.data) > MAX_HEADER)
        return hearken_fail(error, -EINVAL,
                            "%s: the header does not fit in the file, expected safetensors", path);
    size_t length = (size_t)header_length(mapping.data);
    json_t *root =
        json_loadb((const char *)mapping.data + start, length, JSON_REJECT_DUPLICATES, &json_error);
    if (!root && json_error_code(&json_error) == json_error_out_of_memory)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (!json_is_object(root)) {
        json_decref(root);
        return hearken_fail(error, -EINVAL, "%s: the header is not a JSON object: %s", path,
                            root ? "another value" : json_error.text);
    }
    const struct header h = {checkpoint, mapping.data + start + length,
                             mapping.size - start - length, path, error};
    json_object_foreach(root, name, entry) if (strcmp(name, "__metadata__") != 0 &&
                                               (result = add_tensor(&h, name, entry)) < 0) break;
    json_decref(root);
    return result;
}

/* The name must not have a folder: an index must not refer to files elsewhere. */
static int read_shard(struct checkpoint *checkpoint, const char *directory, const char *name,
                      const char *index, struct hearken_error *error)
{
    char path[MAX_PATH];
    struct mapping mapping;
    int result;
    if (strchr(name, '/') || name[0] == '.')
        return hearken_fail(error, -EINVAL, "%s: '%.80s' is not a file beside it", index, name);
    if ((result = config_path(path, directory, name, error)) < 0 ||
        (result = checkpoint_load(checkpoint, path, &mapping, error)) < 0)
        return result;
    if (!safetensors_begins(mapping.data, mapping.size))
        return hearken_fail(error, -EINVAL, "%s: not a safetensors file", path);
    return safetensors_read(checkpoint, mapping, path, error);
}

int safetensors_read_index(struct checkpoint *checkpoint, const char *path, const char *directory,
                           struct hearken_error *error)
{
    json_t *root, *file;
    const char *name;
    int result = json_file_read(path, &root, error);
    if (result < 0)
        return result;
    json_t *map = json_object_get(root, "weight_map");
    json_t *files = json_object(); /* a set */
    if (!files)
        result = hearken_fail(error, -ENOMEM, "out of memory");
    else if (!json_is_object(map))
        result = hearken_fail(error, -EINVAL, "%s: there is no object weight_map in it", path);
    if (result == 0)
        json_object_foreach(map, name, file) if (json_is_string(file) &&
                                                 json_object_set_new(files, json_string_value(file),
                                                                     json_true()) < 0)
        {
            result = hearken_fail(error, -ENOMEM, "out of memory");
            break;
        }
    if (result == 0 && json_object_size(files) > MAX_FILES)
        result = hearken_fail(error, -EINVAL, "%s: more than %u files", path, MAX_FILES);
    if (result == 0)
        json_object_foreach(files, name, file) if ((result = read_shard(checkpoint, directory, name,
                                                                        path, error)) < 0) break;
    json_decref(files);
    json_decref(root);
    return result;
}
