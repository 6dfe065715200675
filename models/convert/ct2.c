// SPDX-License-Identifier: MIT
#include "models/convert/ct2.h"

#include "models/checkpoint/byte_reader.h"
#include "models/convert/json_lists.h"
#include "models/convert/vocabulary_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECIFICATION "WhisperSpec"
#define GELU          3 /* in CTranslate2's enum of activations: the exact GELU, by erf */

#define OLDEST_VERSION 4u /* the first to state each tensor's size in bytes */
#define NEWEST_VERSION 6u
#define MAX_TENSORS    65536u

enum ct2_type {
    CT2_F32,
    CT2_I8,
    CT2_I16,
    CT2_I32,
    CT2_F16,
    CT2_BF16,
    CT2_TYPE_COUNT,
};

#define CT2_MAX_RANK CHECKPOINT_MAX_RANK

/* A tensor as stored in the file. */
struct ct2_tensor {
    const char *name; /* in the mapping, terminated */
    enum ct2_type type;
    uint32_t rank;                /* 0: a scalar */
    uint64_t shape[CT2_MAX_RANK]; /* outermost first; 1 beyond the rank */
    uint64_t count;               /* of values */
    const uint8_t *data;          /* in the mapping, little endian, not aligned */
};

struct ct2 {
    const char *specification;  /* the type of model; in the mapping */
    struct ct2_tensor *tensors; /* sorted by name; aliases are entries of their own */
    size_t count;
};

static const struct {
    const char *name;
    size_t size;
} type_table[CT2_TYPE_COUNT] = {
    [CT2_F32] = {"float32", 4}, [CT2_I8] = {"int8", 1},     [CT2_I16] = {"int16", 2},
    [CT2_I32] = {"int32", 4},   [CT2_F16] = {"float16", 2}, [CT2_BF16] = {"bfloat16", 2},
};

static uint8_t take_u8(struct byte_reader *r, const char *what)
{
    const uint8_t *at = byte_reader_take(r, 1, what);
    return at ? *at : 0;
}

/* Reads a string, whose length includes its terminating zero byte. */
static const char *take_string(struct byte_reader *r, const char *what)
{
    const uint8_t *at = byte_reader_take(r, sizeof(uint16_t), what);
    uint16_t length = at ? load_u16(at) : 0;
    const uint8_t *text = byte_reader_take(r, length, what);
    if (!text)
        return "";
    if (length == 0 || memchr(text, 0, length) != text + length - 1) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "%s: %s before byte %td is not a zero-terminated string", r->path,
                                 what, r->at - r->start);
        return "";
    }
    return (const char *)text;
}

static void take_shape(struct byte_reader *r, struct ct2_tensor *tensor)
{
    tensor->rank = take_u8(r, "a tensor's rank");
    if (r->result == 0 && tensor->rank > CT2_MAX_RANK)
        r->result = hearken_fail(r->error, -EINVAL, "%s: '%s' has rank %u, expected at most %d",
                                 r->path, tensor->name, tensor->rank, CT2_MAX_RANK);
    tensor->count = 1;
    for (uint32_t i = 0; i < CT2_MAX_RANK; i++)
        tensor->shape[i] = 1;
    for (uint32_t i = 0; r->result == 0 && i < tensor->rank; i++) {
        tensor->shape[i] = byte_reader_u32(r, "a tensor's shape");
        if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
            r->result = hearken_fail(r->error, -EINVAL, "%s: '%s' has more than 2^64 values",
                                     r->path, tensor->name);
    }
}

static void take_tensor(struct byte_reader *r, struct ct2_tensor *tensor)
{
    tensor->name = take_string(r, "a tensor's name");
    take_shape(r, tensor);
    uint8_t type = take_u8(r, "a tensor's type");
    uint32_t bytes = byte_reader_u32(r, "a tensor's size");
    if (r->result < 0)
        return;
    if (type >= CT2_TYPE_COUNT) {
        r->result = hearken_fail(r->error, -EINVAL, "%s: '%s' has type %u, expected 0 to %d",
                                 r->path, tensor->name, type, CT2_TYPE_COUNT - 1);
        return;
    }
    tensor->type = type;
    uint64_t size = type_table[type].size;
    if (tensor->count > UINT32_MAX / size || tensor->count * size != bytes) {
        r->result = hearken_fail(
            r->error, -EINVAL,
            "%s: '%s' has %" PRIu32 " bytes, expected %zu for each of %" PRIu64 " values", r->path,
            tensor->name, bytes, type_table[type].size, tensor->count);
        return;
    }
    tensor->data = byte_reader_take(r, bytes, tensor->name);
}

static uint32_t take_count(struct byte_reader *r, const char *what)
{
    uint32_t count = byte_reader_u32(r, what);
    if (r->result == 0 && count > MAX_TENSORS) {
        r->result = hearken_fail(r->error, -EINVAL, "%s: %s is %" PRIu32 ", expected at most %u",
                                 r->path, what, count, MAX_TENSORS);
        return 0;
    }
    return count;
}

static int compare_names(const void *a, const void *b)
{
    const struct ct2_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void sort_tensors(struct byte_reader *r, struct ct2 *ct2)
{
    qsort(ct2->tensors, ct2->count, sizeof(*ct2->tensors), compare_names);
    for (size_t i = 1; r->result == 0 && i < ct2->count; i++)
        if (compare_names(&ct2->tensors[i - 1], &ct2->tensors[i]) == 0)
            r->result = hearken_fail(r->error, -EINVAL, "%s: '%s' is there twice", r->path,
                                     ct2->tensors[i].name);
}

/* Reads second names of tensors: Whisper's embedding is its output projection too. */
static void take_aliases(struct byte_reader *r, struct ct2 *ct2, uint32_t count)
{
    size_t tensors = ct2->count;
    for (uint32_t i = 0; r->result == 0 && i < count; i++) {
        const char *alias = take_string(r, "an alias");
        const struct ct2_tensor wanted = {.name = take_string(r, "an alias's tensor")};
        if (r->result < 0)
            return;
        const struct ct2_tensor *tensor =
            bsearch(&wanted, ct2->tensors, tensors, sizeof(*ct2->tensors), compare_names);
        if (!tensor) {
            r->result = hearken_fail(r->error, -EINVAL,
                                     "%s: alias '%s' is of '%s', which is not "
                                     "in the file",
                                     r->path, alias, wanted.name);
            return;
        }
        ct2->tensors[ct2->count] = *tensor;
        ct2->tensors[ct2->count++].name = alias;
    }
    sort_tensors(r, ct2);
}

static void grow_for(struct byte_reader *r, struct ct2 *ct2, size_t more)
{
    void *grown = r->result < 0
                      ? NULL
                      : realloc(ct2->tensors, (ct2->count + more + 1) * sizeof(*ct2->tensors));
    if (grown)
        ct2->tensors = grown;
    else if (r->result == 0)
        r->result = hearken_fail(r->error, -ENOMEM, "out of memory");
}

static int walk_file(struct byte_reader *r, struct ct2 *ct2)
{
    uint32_t version = byte_reader_u32(r, "the version");
    if (r->result == 0 && (version < OLDEST_VERSION || version > NEWEST_VERSION))
        return hearken_fail(r->error, -EINVAL,
                            "%s: version %" PRIu32
                            ", expected a CTranslate2 model of version %u to %u",
                            r->path, version, OLDEST_VERSION, NEWEST_VERSION);
    ct2->specification = take_string(r, "the specification");
    byte_reader_u32(r, "the revision");
    uint32_t count = take_count(r, "the number of tensors");
    grow_for(r, ct2, count);
    for (uint32_t i = 0; r->result == 0 && i < count; i++) {
        take_tensor(r, &ct2->tensors[i]);
        ct2->count = i + 1;
    }
    if (r->result < 0)
        return r->result;
    sort_tensors(r, ct2);
    uint32_t aliases = take_count(r, "the number of aliases");
    grow_for(r, ct2, aliases);
    if (r->result == 0)
        take_aliases(r, ct2, aliases);
    return r->result;
}

static const struct ct2_tensor *ct2_find(const struct ct2 *ct2, const char *name)
{
    const struct ct2_tensor wanted = {.name = name};
    return bsearch(&wanted, ct2->tensors, ct2->count, sizeof(*ct2->tensors), compare_names);
}

/* ---- Whisper's numbers ---- */

/* The value of an integer scalar; `fallback` if it is missing. */
static int32_t scalar(struct byte_reader *r, const struct ct2 *ct2, const char *name,
                      int32_t fallback)
{
    const struct ct2_tensor *tensor = ct2_find(ct2, name);
    if (!tensor || r->result < 0)
        return fallback;
    bool whole = tensor->type == CT2_I8 || tensor->type == CT2_I16 || tensor->type == CT2_I32;
    if (!whole || tensor->count != 1) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "%s: '%s' is %" PRIu64 " values of %s, expected one whole number",
                                 r->path, name, tensor->count, type_table[tensor->type].name);
        return fallback;
    }
    int16_t narrow = 0;
    int32_t wide = (int8_t)tensor->data[0];
    if (tensor->type == CT2_I16) {
        memcpy(&narrow, tensor->data, sizeof(narrow));
        wide = narrow;
    } else if (tensor->type == CT2_I32) {
        memcpy(&wide, tensor->data, sizeof(wide));
    }
    return wide;
}

/* Checks the options against what hearken implements; older files leave out the defaults. */
static void check_switches(struct byte_reader *r, const struct ct2 *ct2)
{
    static const struct {
        const char *name;
        int32_t expected;
    } switches[] = {
        {"decoder/activation", GELU},
        {"decoder/pre_norm", 1},
        {"decoder/scale_embeddings", 0},
        {"decoder/start_from_zero_embedding", 0},
        {"decoder/alibi", 0},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
        int32_t value = scalar(r, ct2, switches[i].name, switches[i].expected);
        if (r->result == 0 && value != switches[i].expected)
            r->result =
                hearken_fail(r->error, -EINVAL, "%s: '%s' is %" PRId32 ", expected %" PRId32,
                             r->path, switches[i].name, value, switches[i].expected);
    }
}

static uint32_t read_heads(struct byte_reader *r, const struct ct2 *ct2, const char *name)
{
    int32_t heads = scalar(r, ct2, name, 0);
    if (r->result == 0 && heads < 1)
        r->result = hearken_fail(r->error, -EINVAL,
                                 "%s: '%s' is %" PRId32 " or missing, "
                                 "expected 1 or more",
                                 r->path, name, heads);
    return r->result < 0 ? 1 : (uint32_t)heads;
}

/* ---- Names ---- */

#define MOST_NAMES 3u

/* A tensor of CTranslate2 and OpenAI's names for its equal parts, which it concatenates. */
struct renaming {
    const char *from, *to[MOST_NAMES];
};

static const struct renaming outside[] = {
    {"encoder/conv1", {"encoder.conv1"}},
    {"encoder/conv2", {"encoder.conv2"}},
    {"encoder/layer_norm", {"encoder.ln_post"}},
    {"decoder/embeddings", {"decoder.token_embedding"}},
    {"decoder/projection", {"decoder.projection"}},
    {"decoder/layer_norm", {"decoder.ln"}},
};

static const struct renaming inside[] = {
    {"self_attention/layer_norm", {"attn_ln"}},
    {"self_attention/linear_0", {"attn.query", "attn.key", "attn.value"}},
    {"self_attention/linear_1", {"attn.out"}},
    {"attention/layer_norm", {"cross_attn_ln"}},
    {"attention/linear_0", {"cross_attn.query"}},
    {"attention/linear_1", {"cross_attn.key", "cross_attn.value"}},
    {"attention/linear_2", {"cross_attn.out"}},
    {"ffn/layer_norm", {"mlp_ln"}},
    {"ffn/linear_0", {"mlp.0"}},
    {"ffn/linear_1", {"mlp.2"}},
};

/* "weight" or "bias" for the last part of a tensor's name; NULL for any other. */
static const char *kind_of(const char *ending)
{
    if (strcmp(ending, "weight") == 0 || strcmp(ending, "gamma") == 0)
        return "weight";
    return strcmp(ending, "bias") == 0 || strcmp(ending, "beta") == 0 ? "bias" : NULL;
}

static const struct renaming *find_renaming(const struct renaming *table, size_t count,
                                            const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].from) == length && memcmp(table[i].from, name, length) == 0)
            return &table[i];
    return NULL;
}

/* Adds the parts of a tensor, with `prefix` before their names. */
static void add_parts(struct byte_reader *r, struct checkpoint *c, const struct ct2_tensor *source,
                      const char *prefix, const struct renaming *names, const char *kind)
{
    uint32_t parts = 0;
    while (parts < MOST_NAMES && names->to[parts])
        parts++;
    if (source->rank == 0 || source->shape[0] % parts) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "%s: '%s' has %" PRIu64 " rows, expected a multiple of %" PRIu32,
                                 r->path, source->name, source->shape[0], parts);
        return;
    }
    for (uint32_t i = 0; r->result == 0 && i < parts; i++) {
        uint64_t bytes = source->count / parts * type_table[source->type].size;
        struct checkpoint_tensor tensor = {
            .type = source->type == CT2_F32   ? VALUE_F32
                    : source->type == CT2_F16 ? VALUE_F16
                                              : VALUE_BF16,
            .rank = source->rank,
            .data = source->data + i * bytes,
        };
        memcpy(tensor.shape, source->shape, sizeof(tensor.shape));
        tensor.shape[0] /= parts;
        snprintf(tensor.name, sizeof(tensor.name), "%s%s%s%s", prefix, names->to[i],
                 *kind ? "." : "", kind);
        r->result = checkpoint_add(c, r->path, &tensor, bytes, NULL, r->error);
    }
}

static bool is_quantized(const struct ct2_tensor *tensor)
{
    return tensor->type == CT2_I8 || tensor->type == CT2_I16 || tensor->type == CT2_I32;
}

/* Tensors with unknown names are ignored. */
static void rename_tensor(struct byte_reader *r, struct checkpoint *c,
                          const struct ct2_tensor *tensor)
{
    static const struct renaming positions = {"", {"positional_embedding"}};
    char part[8], layer[5], prefix[40];
    int length = 0;
    const char *ending = strrchr(tensor->name, '/');
    if (!ending || sscanf(tensor->name, "%7[a-z]/", part) != 1)
        return;
    const char *kind = kind_of(ending + 1);
    const struct renaming *names = NULL;
    prefix[0] = 0;
    if (strcmp(ending, "/encodings") == 0) {
        names = &positions;
        kind = "";
        snprintf(prefix, sizeof(prefix), "%s.", part);
    } else if (sscanf(tensor->name, "%*[a-z]/layer_%4[0-9]/%n", layer, &length) == 1 &&
               length > 0 && tensor->name + length < ending) {
        names = find_renaming(inside, sizeof(inside) / sizeof(*inside), tensor->name + length,
                              (size_t)(ending - tensor->name) - (size_t)length);
        snprintf(prefix, sizeof(prefix), "%s.blocks.%s.", part, layer);
    } else {
        names = find_renaming(outside, sizeof(outside) / sizeof(*outside), tensor->name,
                              (size_t)(ending - tensor->name));
    }
    if (!names || !kind)
        return;
    if (is_quantized(tensor))
        r->result = hearken_fail(r->error, -EINVAL,
                                 "%s: '%s' is %s, expected float32, float16 or bfloat16 (a "
                                 "checkpoint that is not quantized)",
                                 r->path, tensor->name, type_table[tensor->type].name);
    else
        add_parts(r, c, tensor, prefix, names, kind);
}

static void rename_all(struct byte_reader *r, struct checkpoint *c, const struct ct2 *ct2)
{
    if (strcmp(ct2->specification, SPECIFICATION) != 0)
        r->result =
            hearken_fail(r->error, -EINVAL, "%s: a model of kind '%.60s', expected " SPECIFICATION,
                         r->path, ct2->specification);
    if (r->result == 0)
        check_switches(r, ct2);
    c->listener_heads = read_heads(r, ct2, "encoder/num_heads");
    c->speller_heads = read_heads(r, ct2, "decoder/num_heads");
    for (size_t i = 0; r->result == 0 && i < ct2->count; i++)
        rename_tensor(r, c, &ct2->tensors[i]);
}

/* ---- All of it ---- */

bool ct2_begins(const uint8_t *data, size_t size)
{
    uint32_t version = 0;
    if (size < 6)
        return false;
    memcpy(&version, data, sizeof(version));
    return version <= NEWEST_VERSION;
}

static int read_config(struct checkpoint *checkpoint, const char *directory,
                       struct hearken_error *error)
{
    static const struct list_names names = {"alignment_heads", "suppress_ids",
                                            "suppress_ids_begin"};
    char path[MAX_PATH];
    json_t *root;
    int result = config_path(path, directory, "config.json", error);
    if (result < 0 || (result = json_file_read(path, &root, error)) < 0)
        return result;
    result = config_read_lists(checkpoint, root, path, &names, error);
    json_decref(root);
    return result;
}

int ct2_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
             const char *directory, struct hearken_error *error)
{
    struct ct2 ct2 = {0};
    struct byte_reader r = {mapping.data, mapping.data, mapping.data + mapping.size,
                            path,         error,        0};
    checkpoint->format = "CTranslate2";
    r.result = walk_file(&r, &ct2);
    if (r.result == 0)
        rename_all(&r, checkpoint, &ct2);
    free(ct2.tensors);
    if (r.result == 0 && (r.result = checkpoint_sort(checkpoint, path, error)) == 0)
        r.result = read_config(checkpoint, directory, error);
    return r.result;
}
