// SPDX-License-Identifier: MIT
#include "models/convert/hugging_face.h"

#include "models/convert/json_lists.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
