// SPDX-License-Identifier: MIT
/* What only hearken-convert reads: CTranslate2, safetensors, PyTorch, JSON, vocabularies. */
#include "models/convert/ct2.h"
#include "models/convert/hugging_face.h"
#include "models/convert/json_lists.h"
#include "models/convert/pickle.h"
#include "models/convert/torch_archive.h"
#include "models/convert/vocabulary_files.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

void add_convert_readers_tests(void);

static void complains(int result, int expected, const struct hearken_error *error, const char *text)
{
    EXPECT_EQUAL(result, expected);
    EXPECT_EQUAL_STRING(error->message, text);
}

/* ---- A folder with files ---- */

struct folder {
    char path[64];
};

static struct folder make_folder(void)
{
    struct folder folder = {"/tmp/hearken-readers-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder.path));
    return folder;
}

static void path_in(char path[128], const struct folder *folder, const char *name)
{
    snprintf(path, 128, "%s/%s", folder->path, name);
}

static void put_file(const struct folder *folder, const char *name, const void *data, size_t size)
{
    char path[128];
    path_in(path, folder, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_FATAL(file && fwrite(data, 1, size, file) == size);
    fclose(file);
}

static void put_text(const struct folder *folder, const char *name, const char *text)
{
    put_file(folder, name, text, strlen(text));
}

static void remove_folder(const struct folder *folder)
{
    static const char *const names[] = {"config.json", "generation_config.json", "a.safetensors",
                                        "index.json",  "vocabulary.json",        "vocab.json",
                                        "x.pt",        "added_tokens.json",      "vocabulary.txt"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        path_in(path, folder, names[i]);
        unlink(path);
    }
    EXPECT_EQUAL(rmdir(folder->path), 0);
}

/* What is said of a file in the folder: its path stands in front. */
static void complains_of(const struct folder *folder, const char *name, int result,
                         const struct hearken_error *error, const char *text)
{
    char expected[1024];
    snprintf(expected, sizeof(expected), "%s/%s%s", folder->path, name, text);
    complains(result, -EINVAL, error, expected);
}

/* ---- JSON ---- */

static void test_json_files(void)
{
    struct folder folder = make_folder();
    struct hearken_error error = {""};
    char path[128];
    json_t *root = NULL;
    path_in(path, &folder, "config.json");
    put_text(&folder, "config.json", "{\"a\": 1}");
    EXPECT_EQUAL(json_file_read(path, &root, &error), 0);
    json_decref(root);
    put_text(&folder, "config.json", "{\n \"a\": x}");
    complains_of(&folder, "config.json", json_file_read(path, &root, &error), &error,
                 ":2:7: invalid token near 'x'");
    put_text(&folder, "config.json", "");
    complains_of(&folder, "config.json", json_file_read(path, &root, &error), &error,
                 ":1:0: '[' or '{' expected near end of file");
    put_text(&folder, "config.json", "[\"\xff\"]");
    complains_of(&folder, "config.json", json_file_read(path, &root, &error), &error,
                 ":1:2: unable to decode byte 0xff near '\"'");
    complains(json_file_read("/nonexistent", &root, &error), -ENOENT, &error,
              "/nonexistent: No such file or directory");
    remove_folder(&folder);
}

static int read_lists(struct checkpoint *checkpoint, const char *text, struct hearken_error *error)
{
    static const struct list_names names = {"heads", "never", "first"};
    json_t *root = json_loads(text, JSON_DECODE_ANY, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    *checkpoint = (struct checkpoint){.speller_heads = 4};
    int result = config_read_lists(checkpoint, root, "f", &names, error);
    json_decref(root);
    return result;
}

static void test_lists(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"3", "f: not an object"},
        {"{\"heads\": 1}", "f: heads is not an array"},
        {"{\"heads\": [[0, 0], [1]]}", "f: heads[1] is not a layer and a head below 4"},
        {"{\"heads\": [[0, 4]]}", "f: heads[0] is not a layer and a head below 4"},
        {"{\"heads\": [[65536, 0]]}", "f: heads[0] is not a layer and a head below 4"},
        {"{\"heads\": [[-1, 0]]}", "f: heads[0] is not a layer and a head below 4"},
        {"{\"never\": [1, 2.0]}", "f: never[1] is not a token's number"},
        {"{\"never\": [2147483647]}", "f: never[0] is not a token's number"},
        {"{\"first\": [-1]}", "f: first[0] is not a token's number"},
        {"{\"first\": {}}", "f: first is not an array"},
    };
    struct checkpoint c;
    struct hearken_error error = {""};
    EXPECT_EQUAL(
        read_lists(&c, "{\"heads\": [[1, 2], [65535, 3]], \"never\": [], \"first\": null}", &error),
        0);
    CU_ASSERT(c.alignment_heads.count == 2 && c.alignment_heads.numbers[0] == 6 &&
              c.alignment_heads.numbers[1] == 262143);
    CU_ASSERT(c.suppress.numbers && c.suppress.count == 0);
    CU_ASSERT_PTR_NULL(c.suppress_at_begin.numbers);
    checkpoint_finish(&c);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        complains(read_lists(&c, cases[i].text, &error), -EINVAL, &error, cases[i].expected);
        checkpoint_finish(&c);
    }
}

static void test_numbers(void)
{
    static const char *const bad[] = {"{}",           "{\"n\": 0}",  "{\"n\": 65537}",
                                      "{\"n\": 1.5}", "{\"n\": -1}", "{\"n\": \"1\"}"};
    struct hearken_error error = {""};
    uint32_t value = 0;
    char path[MAX_PATH], folder[MAX_PATH];
    json_t *root = json_pack("{s:i}", "n", 65536);
    EXPECT_EQUAL(config_read_number(root, "f", "n", &value, &error), 0);
    EXPECT_EQUAL(value, 65536);
    json_decref(root);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        root = json_loads(bad[i], 0, NULL);
        complains(config_read_number(root, "f", "n", &value, &error), -EINVAL, &error,
                  "f: n is not a whole number from 1 to 65536");
        json_decref(root);
    }
    memset(folder, 'x', sizeof(folder));
    folder[MAX_PATH - 3] = 0;
    EXPECT_EQUAL(config_path(path, folder, "y", &error), 0);
    EXPECT_EQUAL(config_path(path, folder, "yz", &error), -ENAMETOOLONG);
    EXPECT_EQUAL_STRING(error.message + 80, "...: the path is too long");
}

/* ---- Hugging Face ---- */

static void test_hugging_face_names(void)
{
    static const struct {
        const char *from, *to; /* NULL: none of Whisper's */
    } cases[] = {
        {"model.encoder.layers.0.fc1.weight", "encoder.blocks.0.mlp.0.weight"},
        {"decoder.layers.31.encoder_attn.k_proj.bias", "decoder.blocks.31.cross_attn.key.bias"},
        {"encoder.embed_positions.weight", "encoder.positional_embedding"},
        {"decoder.embed_tokens.weight", "decoder.token_embedding.weight"},
        {"proj_out.weight", "decoder.projection.weight"},
        {"encoder.layer_norm.bias", "encoder.ln_post.bias"},
        {"decoder.layers.99999.fc1.weight", NULL},
        {"decoder.layers.-1.fc1.weight", NULL},
        {"decoder.layers. 1.fc1.weight", NULL},
        {"decoder.layers.0.weight", NULL},
        {"decoder.layers.0.fc1", NULL},
        {"decoder.layers.0.fc3.weight", NULL},
        {"encodings.layers.0.fc1.weight", NULL},
        {"encoder", NULL},
        {"weight", NULL},
        {".weight", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char to[CHECKPOINT_MAX_NAME] = "";
        bool known = hugging_face_rename(cases[i].from, to);
        EXPECT_EQUAL(known, cases[i].to != NULL);
        if (known && cases[i].to)
            EXPECT_EQUAL_STRING(to, cases[i].to);
    }
}

#define CONFIG                                                                                     \
    "{\"model_type\": \"whisper\", \"encoder_attention_heads\": 2, \"decoder_attention_heads\": "  \
    "4, "                                                                                          \
    "\"suppress_tokens\": [1, 2]"

static void test_hugging_face_config(void)
{
    static const struct {
        const char *config, *generation, *file, *expected;
    } cases[] = {
        {"[]", NULL, "config.json", ": model_type is missing, expected whisper"},
        {"{\"model_type\": \"t5\"}", NULL, "config.json", ": model_type is t5, expected whisper"},
        {"{\"model_type\": \"whisper\", \"activation_function\": \"relu\"}", NULL, "config.json",
         ": activation_function is relu, expected gelu"},
        {"{\"model_type\": \"whisper\"}", NULL, "config.json",
         ": encoder_attention_heads is not a whole number from 1 to 65536"},
        {CONFIG "}", "[]", "generation_config.json", ": not an object"},
        {CONFIG "}", "{", "generation_config.json",
         ":1:1: string or '}' expected near end of file"},
        {CONFIG ", \"alignment_heads\": [[0, 4]]}", "{}", "config.json",
         ": alignment_heads[0] is not a layer and a head below 4"},
    };
    struct folder folder = make_folder();
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put_text(&folder, "config.json", cases[i].config);
        if (cases[i].generation)
            put_text(&folder, "generation_config.json", cases[i].generation);
        complains_of(&folder, cases[i].file, hugging_face_read_config(&c, folder.path, &error),
                     &error, cases[i].expected);
        checkpoint_finish(&c);
    }
    put_text(&folder, "config.json", CONFIG "}");
    put_text(&folder, "generation_config.json", "{\"suppress_tokens\": [7]}");
    EXPECT_EQUAL(hugging_face_read_config(&c, folder.path, &error), 0);
    CU_ASSERT(c.listener_heads == 2 && c.speller_heads == 4);
    CU_ASSERT(c.suppress.count == 1 && c.suppress.numbers[0] == 7); /* that one comes first */
    checkpoint_finish(&c);
    remove_folder(&folder);
}

/* ---- safetensors ---- */

/* A header and `size` bytes of values, which count up. */
static struct bytes safetensors(const char *header, size_t size)
{
    struct bytes file = {0};
    bytes_put_string(&file, header);
    for (size_t i = 0; i < size; i++)
        bytes_put(&file, &(uint8_t){(uint8_t)i}, 1);
    return file;
}

/* Takes the file. */
static int read_safetensors(struct bytes file, struct checkpoint *c, struct hearken_error *error)
{
    void *copy = exact_copy(file.data, file.length);
    *c = (struct checkpoint){0};
    int result = safetensors_read(c, (struct mapping){copy, file.length}, "f", error);
    free(copy);
    bytes_finish(&file);
    return result;
}

#define ENTRY(type, shape, offsets)                                                                \
    "{\"proj_out.weight\": {\"dtype\": \"" type "\", \"shape\": " shape                            \
    ", \"data_offsets\": " offsets "}}"

static void test_safetensors(void)
{
    struct bytes file =
        safetensors("{\"__metadata__\": 3, \"other\": {}, \"encoder.conv1.bias\": "
                    "{\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [2, 6]}, "
                    "\"proj_out.weight\": {\"dtype\": \"BF16\", \"shape\": [1, 2], "
                    "\"data_offsets\": [0, 4]}}",
                    6);
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    CU_ASSERT(safetensors_begins(file.data, file.length) && !safetensors_begins(file.data, 8));
    CU_ASSERT(!safetensors_begins((const uint8_t *)"\0\0\0\0\0\0\0\1{", 9));
    EXPECT_EQUAL_FATAL(safetensors_read(&c, (struct mapping){file.data, file.length}, "f", &error),
                       0);
    EXPECT_EQUAL(c.count, 2);
    EXPECT_EQUAL(checkpoint_sort(&c, "f", &error), 0);
    const struct checkpoint_tensor *t = checkpoint_find(&c, "decoder.projection.weight");
    CU_ASSERT_FATAL(t && t->type == VALUE_BF16 && t->rank == 2 && t->count == 2);
    EXPECT_EQUAL(memcmp(t->data, "\0\1\2\3", 4), 0);
    checkpoint_finish(&c);
    bytes_finish(&file);
}

static void test_safetensors_that_lie(void)
{
    static const struct {
        const char *header;
        size_t size;
        const char *expected;
    } cases[] = {
        {"", 0, "f: the header is not a JSON object: '[' or '{' expected near end of file"},
        {"[]", 0, "f: the header is not a JSON object: another value"},
        {"{} ", 0, ""},
        {"{}x", 0, "f: the header is not a JSON object: end of file expected near 'x'"},
        {"{\"a\": 1, \"a\": 2}", 0,
         "f: the header is not a JSON object: duplicate object key near '\"a\"'"},
        {ENTRY("I8", "[1]", "[0, 1]"), 1,
         "f: 'decoder.projection.weight' is I8, expected F32, F16 or BF16"},
        {"{\"proj_out.weight\": 3}", 1,
         "f: 'decoder.projection.weight' is of no type, expected F32, F16 or BF16"},
        {ENTRY("F16", "[1, 1, 1, 1, 1]", "[0, 2]"), 2,
         "f: 'decoder.projection.weight' has no shape of at most 4 dimensions"},
        {ENTRY("F16", "[-1]", "[0, 2]"), 2,
         "f: 'decoder.projection.weight' has no shape of at most 4 dimensions"},
        {ENTRY("F16", "{}", "[0, 2]"), 2,
         "f: 'decoder.projection.weight' has no shape of at most 4 dimensions"},
        {ENTRY("F16", "[1]", "[0, 3]"), 2,
         "f: 'proj_out.weight' has data_offsets that are not two numbers up to 2 (truncated?)"},
        {ENTRY("F16", "[1]", "[2, 0]"), 2,
         "f: 'proj_out.weight' has data_offsets that are not two numbers up to 2 (truncated?)"},
        {ENTRY("F16", "[1]", "[0, 2, 2]"), 2,
         "f: 'proj_out.weight' has data_offsets that are not two numbers up to 2 (truncated?)"},
        {ENTRY("F16", "[1]", "[-2, 0]"), 2,
         "f: 'proj_out.weight' has data_offsets that are not two numbers up to 2 (truncated?)"},
        {ENTRY("F16", "[1]", "[0, 4]"), 4,
         "f: 'proj_out.weight' has 4 bytes, expected 2 by its shape"},
        {ENTRY("F16", "[3]", "[0, 4]"), 4,
         "f: 'decoder.projection.weight' needs 6 bytes, but 4 are there (truncated?)"},
        {ENTRY("F16", "[9223372036854775807, 2]", "[0, 4]"), 4,
         "f: 'decoder.projection.weight' has more than 2^61 values"},
        {ENTRY("F16", "[18446744073709551615]", "[0, 4]"), 4,
         "f: the header is not a JSON object: too big integer near '18446744073709551615'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct checkpoint c;
        struct hearken_error error = {""};
        int result = read_safetensors(safetensors(cases[i].header, cases[i].size), &c, &error);
        complains(result, *cases[i].expected ? -EINVAL : 0, &error, cases[i].expected);
        checkpoint_finish(&c);
    }
    static const uint64_t lengths[] = {3, UINT64_MAX, 100000001};
    for (size_t i = 0; i < 3; i++) {
        struct bytes file = safetensors("{}", 0);
        struct checkpoint c;
        struct hearken_error error = {""};
        memcpy(file.data, &lengths[i], sizeof(lengths[i]));
        complains(read_safetensors(file, &c, &error), -EINVAL, &error,
                  "f: the header does not fit in the file, expected safetensors");
        checkpoint_finish(&c);
    }
}

static void test_safetensors_index(void)
{
    static const struct {
        const char *index, *file, *expected;
    } cases[] = {
        {"{}", "index.json", ": there is no object weight_map in it"},
        {"{\"weight_map\": {\"x\": \"../a\"}}", "index.json", ": '../a' is not a file beside it"},
        {"{\"weight_map\": {\"x\": \".a\"}}", "index.json", ": '.a' is not a file beside it"},
        {"{\"weight_map\": {\"x\": \"index.json\"}}", "index.json", ": not a safetensors file"},
    };
    struct folder folder = make_folder();
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    char path[128];
    struct bytes file = safetensors(ENTRY("F16", "[2]", "[0, 4]"), 4);
    path_in(path, &folder, "index.json");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put_text(&folder, "index.json", cases[i].index);
        complains_of(&folder, cases[i].file, safetensors_read_index(&c, path, folder.path, &error),
                     &error, cases[i].expected);
        checkpoint_finish(&c);
    }
    put_file(&folder, "a.safetensors", file.data, file.length);
    put_text(&folder, "index.json",
             "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"a.safetensors\", \"z\": 3}}");
    EXPECT_EQUAL(safetensors_read_index(&c, path, folder.path, &error), 0);
    EXPECT_EQUAL(c.count, 1); /* read once */
    checkpoint_finish(&c);
    bytes_finish(&file);
    remove_folder(&folder);
}

/* ---- CTranslate2 ---- */

static void put_ct2_string(struct bytes *file, const char *text)
{
    const uint16_t length = (uint16_t)(strlen(text) + 1);
    bytes_put(file, &length, sizeof(length));
    bytes_put(file, text, length);
}

/* Values count up, by bytes. */
static void put_ct2_tensor(struct bytes *file, const char *name, uint8_t rank,
                           const uint32_t *shape, uint8_t type, uint32_t size)
{
    put_ct2_string(file, name);
    bytes_put(file, &rank, 1);
    for (uint8_t i = 0; i < rank; i++)
        bytes_put_u32(file, shape[i]);
    bytes_put(file, &type, 1);
    bytes_put_u32(file, size);
    for (uint32_t i = 0; i < size && i < 64; i++)
        bytes_put(file, &(uint8_t){(uint8_t)(i + 1)}, 1);
}

static struct bytes ct2_head(uint32_t version, const char *specification, uint32_t count)
{
    struct bytes file = {0};
    bytes_put_u32(&file, version);
    put_ct2_string(&file, specification);
    bytes_put_u32(&file, 3);
    bytes_put_u32(&file, count);
    return file;
}

/* Two numbers of heads, keys and values in one, and another name for the embedding. */
static struct bytes ct2_file(uint8_t heads, uint8_t type)
{
    struct bytes file = ct2_head(6, "WhisperSpec", 4);
    put_ct2_tensor(&file, "encoder/num_heads", 0, NULL, 1, 1);
    put_ct2_tensor(&file, "decoder/num_heads", 0, NULL, 1, 1);
    file.data[file.length - 1] = heads;
    put_ct2_tensor(&file, "decoder/layer_0/attention/linear_1/weight", 2, (uint32_t[]){4, 1}, type,
                   4 * (type == 1   ? 1
                        : type == 0 ? 4
                                    : 2));
    put_ct2_tensor(&file, "decoder/embeddings/weight", 1, (uint32_t[]){2}, 4, 4);
    bytes_put_u32(&file, 1);
    put_ct2_string(&file, "decoder/projection/weight");
    put_ct2_string(&file, "decoder/embeddings/weight");
    return file;
}

/* Takes the file. */
static int read_ct2(struct bytes file, const char *folder, struct checkpoint *c,
                    struct hearken_error *error)
{
    void *copy = exact_copy(file.data, file.length);
    *c = (struct checkpoint){0};
    int result = ct2_read(c, (struct mapping){copy, file.length}, "f", folder, error);
    free(copy);
    bytes_finish(&file);
    return result;
}

static void ct2_refuses(struct bytes file, const char *expected)
{
    struct checkpoint c;
    struct hearken_error error = {""};
    complains(read_ct2(file, "/nonexistent", &c, &error), -EINVAL, &error, expected);
    checkpoint_finish(&c);
}

static void test_ct2(void)
{
    struct folder folder = make_folder();
    struct bytes file = ct2_file(2, 4);
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    CU_ASSERT(ct2_begins(file.data, file.length) && !ct2_begins(file.data, 5));
    put_text(&folder, "config.json", "{\"alignment_heads\": [[0, 1]], \"suppress_ids\": [5]}");
    EXPECT_EQUAL_FATAL(
        ct2_read(&c, (struct mapping){file.data, file.length}, "f", folder.path, &error), 0);
    CU_ASSERT(c.listener_heads == 1 && c.speller_heads == 2 && c.count == 4);
    CU_ASSERT(c.alignment_heads.count == 1 && c.suppress.count == 1);
    const struct checkpoint_tensor *key =
        checkpoint_find(&c, "decoder.blocks.0.cross_attn.key.weight");
    const struct checkpoint_tensor *value =
        checkpoint_find(&c, "decoder.blocks.0.cross_attn.value.weight");
    CU_ASSERT_FATAL(key && value && key->shape[0] == 2 && value->shape[0] == 2);
    CU_ASSERT(key->type == VALUE_F16 && key->data[0] == 1 && value->data == key->data + 4);
    CU_ASSERT(checkpoint_find(&c, "decoder.projection.weight")->data ==
              checkpoint_find(&c, "decoder.token_embedding.weight")->data);
    checkpoint_finish(&c);
    bytes_finish(&file);
    complains(read_ct2(ct2_file(2, 4), "/nonexistent", &c, &error), -ENOENT, &error,
              "/nonexistent/config.json: No such file or directory");
    checkpoint_finish(&c);
    remove_folder(&folder);
}

static void test_ct2_cut_short(void)
{
    struct bytes whole = ct2_file(2, 0);
    for (size_t size = 0; size < whole.length; size++) {
        struct bytes file = ct2_file(2, 0);
        struct checkpoint c;
        struct hearken_error error = {""};
        file.length = size;
        EXPECT_EQUAL(read_ct2(file, "/nonexistent", &c, &error), -EINVAL);
        EXPECT_CONTAINS(error.message, "f: the file ends in ");
        checkpoint_finish(&c);
    }
    bytes_finish(&whole);
}

static void test_ct2_that_lies(void)
{
    struct bytes file = ct2_head(3, "WhisperSpec", 0);
    ct2_refuses(file, "f: version 3, expected a CTranslate2 model of version 4 to 6");
    ct2_refuses(ct2_head(6, "WhisperSpec", 65537),
                "f: the number of tensors is 65537, expected at most 65536");
    file = ct2_head(6, "Trans\x1bSpec", 0);
    bytes_put_u32(&file, 0);
    ct2_refuses(file, "f: a model of kind 'Trans?Spec', expected WhisperSpec");
    file = ct2_head(6, "WhisperSpec", 0);
    bytes_put_u32(&file, 0);
    ct2_refuses(file, "f: 'encoder/num_heads' is 0 or missing, expected 1 or more");
    file = ct2_head(6, "WhisperSpec", 0);
    file.data[6] = 0; /* a string within the string */
    ct2_refuses(file, "f: the specification before byte 18 is not a zero-terminated string");
    ct2_refuses(ct2_file(0, 4), "f: 'decoder/num_heads' is 0 or missing, expected 1 or more");
    ct2_refuses(ct2_file(200, 4), "f: 'decoder/num_heads' is -56 or missing, expected 1 or more");
    ct2_refuses(ct2_file(2, 1),
                "f: 'decoder/layer_0/attention/linear_1/weight' is int8, expected float32, float16 "
                "or bfloat16 (a checkpoint that is not quantized)");
    file = ct2_file(2, 4);
    file.length -= 2 + 26 + 2 + 26;
    put_ct2_string(&file, "x");
    put_ct2_string(&file, "y");
    ct2_refuses(file, "f: alias 'x' is of 'y', which is not in the file");
}

static void test_ct2_tensors_that_lie(void)
{
    static const struct {
        uint8_t rank;
        uint32_t shape[5];
        uint8_t type;
        uint32_t size;
        const char *expected;
    } cases[] = {
        {5, {1, 1, 1, 1, 1}, 0, 4, "f: 't' has rank 5, expected at most 4"},
        {1, {1}, 6, 4, "f: 't' has type 6, expected 0 to 5"},
        {1, {2}, 0, 4, "f: 't' has 4 bytes, expected 4 for each of 2 values"},
        {2, {65536, 16384}, 0, 0, "f: 't' has 0 bytes, expected 4 for each of 1073741824 values"},
        {3, {UINT32_MAX, UINT32_MAX, UINT32_MAX}, 1, 0, "f: 't' has more than 2^64 values"},
        {1, {100}, 1, 100, "f: the file ends in t: 100 bytes expected at byte 40, 68 are left"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bytes file = ct2_head(6, "WhisperSpec", 1);
        put_ct2_tensor(&file, "t", cases[i].rank, cases[i].shape, cases[i].type, cases[i].size);
        bytes_put_u32(&file, 0);
        ct2_refuses(file, cases[i].expected);
    }
    static const struct {
        const char *name;
        uint8_t type, size;
        const char *expected;
    } switches[] = {
        {"decoder/activation", 1, 1, "f: 'decoder/activation' is 1, expected 3"},
        {"decoder/alibi", 2, 2, "f: 'decoder/alibi' is 513, expected 0"},
        {"decoder/pre_norm", 3, 4, "f: 'decoder/pre_norm' is 67305985, expected 1"},
        {"decoder/pre_norm", 4, 2,
         "f: 'decoder/pre_norm' is 1 values of float16, expected one whole number"},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
        struct bytes file = ct2_head(6, "WhisperSpec", 1);
        put_ct2_tensor(&file, switches[i].name, 0, NULL, switches[i].type, switches[i].size);
        bytes_put_u32(&file, 0);
        ct2_refuses(file, switches[i].expected);
    }
    struct bytes file = ct2_head(6, "WhisperSpec", 2);
    put_ct2_tensor(&file, "t", 0, NULL, 1, 1);
    put_ct2_tensor(&file, "t", 0, NULL, 1, 1);
    bytes_put_u32(&file, 0);
    ct2_refuses(file, "f: 't' is there twice");
}

/* ---- Pickles ---- */

#define P_DICT          "ccollections\nOrderedDict\n)R"
#define P_TEXT(n, text) "X" n "\0\0\0" text
#define P_STORAGE(count)                                                                           \
    "(" P_TEXT("\7", "storage") "ctorch\nFloatStorage\n" P_TEXT("\1", "0") P_TEXT("\3", "cpu")     \
        count "tQ"
#define P_TENSOR(storage, offset, sizes, strides)                                                  \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset sizes strides "\x89" P_DICT "tR"

/* Without the zero byte that ends the literal. */
#define PICKLE(text) (const uint8_t *)("\x80\2" text "."), sizeof("\x80\2" text ".") - 1

static void pickle_refuses(const uint8_t *data, size_t size, const char *expected)
{
    struct pickle pickle;
    struct hearken_error error = {""};
    void *copy = exact_copy(data, size);
    complains(pickle_read(&pickle, copy, size, &error), -EINVAL, &error, expected);
    pickle_finish(&pickle);
    free(copy);
}

static void test_pickle(void)
{
    struct pickle pickle;
    struct hearken_error error = {""};
    EXPECT_EQUAL_FATAL(pickle_read(&pickle,
                                   PICKLE("}q\0(" P_TEXT("\1", "a") "K\7" P_TEXT(
                                       "\1", "b") "\x8a\2\xff\xff" P_TEXT("\1", "c")
                                              P_TENSOR(P_STORAGE("K\6"), "K\1", "K\2K\2\x86",
                                                       "K\2K\1\x86") "u" P_TEXT("\1", "d") "h\0"
                                                                                           "s"),
                                   &error),
                       0);
    const struct pickle_value *a = pickle_find(&pickle, &pickle.root, "a");
    const struct pickle_value *b = pickle_find(&pickle, &pickle.root, "b");
    const struct pickle_value *c = pickle_find(&pickle, &pickle.root, "c");
    CU_ASSERT(a && a->kind == PICKLE_INTEGER && a->integer == 7);
    CU_ASSERT(b && b->kind == PICKLE_INTEGER && b->integer == -1);
    CU_ASSERT_FATAL(c && c->kind == PICKLE_TENSOR);
    const struct pickle_tensor *tensor = pickle_tensor(&pickle, c);
    const struct pickle_storage *storage = pickle_storage(&pickle, tensor->storage);
    CU_ASSERT(tensor->rank == 2 && tensor->shape[0] == 2 && tensor->offset == 1);
    CU_ASSERT(storage->type == VALUE_F32 && storage->count == 6 && storage->name.data[0] == '0');
    CU_ASSERT_PTR_NULL(pickle_find(&pickle, &pickle.root, "e"));
    CU_ASSERT_PTR_NULL(pickle_find(&pickle, a, "a"));
    const struct pickle_value *itself = pickle_find(&pickle, &pickle.root, "d");
    CU_ASSERT(itself && pickle_find(&pickle, itself, "a") == a);
    pickle_finish(&pickle);
}

static void test_pickles_that_lie(void)
{
    pickle_refuses((const uint8_t *)"", 0, "pickle, before byte 0: it ends 1 bytes early");
    pickle_refuses((const uint8_t *)"\x80\4.", 3, "pickle, before byte 2: protocol 4, expected 2");
    pickle_refuses(PICKLE(""), "pickle, before byte 3: the stack is empty");
    pickle_refuses(PICKLE("K\1"), "pickle, before byte 5: expected a dictionary in the end");
    pickle_refuses(PICKLE("cos\nsystem\n"),
                   "pickle, before byte 13: the global 'os system', expected only those of a "
                   "dictionary of tensors");
    pickle_refuses(PICKLE("cos\nsystem"), "pickle, before byte 6: a line without end");
    pickle_refuses(PICKLE("i"), "pickle, before byte 3: the opcode 0x69, expected only those of a "
                                "dictionary of tensors");
    pickle_refuses(PICKLE("X\xff\xff\xff\xff"),
                   "pickle, before byte 7: it ends 4294967294 bytes early");
    pickle_refuses(PICKLE("K\1\x86"), "pickle, before byte 5: a tuple of 2, but 1 values");
    pickle_refuses(PICKLE("t"), "pickle, before byte 3: there is no mark");
    pickle_refuses(PICKLE("}(K\1u"),
                   "pickle, before byte 7: 1 keys and values, expected pairs and a dictionary");
    pickle_refuses(PICKLE("K\1(K\1K\2u"),
                   "pickle, before byte 10: keys and values, but no dictionary");
    pickle_refuses(PICKLE("h\0"), "pickle, before byte 4: place 0 of the memo is empty");
    pickle_refuses(
        PICKLE("}r\xff\xff\xff\xff"),
        "pickle, before byte 8: place 4294967295 of the memo, expected less than 9 and a "
        "value");
    pickle_refuses(PICKLE("\x8a\x09"),
                   "pickle, before byte 4: a number of 9 bytes, expected at most 8");
    pickle_refuses(PICKLE("ccollections\nOrderedDict\nK\1\x85R"),
                   "pickle, before byte 31: collections OrderedDict is called with 1 arguments");
    pickle_refuses(PICKLE("K\1\x85Q"), "pickle, before byte 6: a persistent object that is no "
                                       "storage of float, half or bfloat16");
    pickle_refuses(PICKLE(P_STORAGE("J\xff\xff\xff\xff")),
                   "pickle, before byte 56: a persistent object that is no storage of float, half "
                   "or bfloat16");
    pickle_refuses(PICKLE(P_STORAGE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f")),
                   "pickle, before byte 61: a storage of 9223372036854775807 values, expected at "
                   "most 2305843009213693951");
}

static void test_pickled_tensors_that_lie(void)
{
    pickle_refuses(PICKLE(P_TENSOR("K\1", "K\0", ")", ")")),
                   "pickle, before byte 72: a tensor without storage and offset");
    pickle_refuses(PICKLE(P_TENSOR(P_STORAGE("K\4"), "K\0", "K\2K\2\x86", "K\1\x85")),
                   "pickle, before byte 127: a tensor without sizes and strides, of at most 4 "
                   "dimensions");
    pickle_refuses(PICKLE(P_TENSOR(P_STORAGE("K\4"), "K\0", "K\2K\2\x86", "K\1K\2\x86")),
                   "pickle, before byte 129: a tensor whose values are not contiguous");
    pickle_refuses(PICKLE(P_TENSOR(P_STORAGE("K\4"), "K\0", "K\0\x85", "K\1\x85")),
                   "pickle, before byte 125: a tensor whose values are not contiguous");
    pickle_refuses(PICKLE(P_TENSOR(P_STORAGE("K\4"), "K\2", "K\3\x85", "K\1\x85")),
                   "pickle, before byte 125: a tensor of 3 values from 2, but the storage has 4");
    pickle_refuses(
        PICKLE(P_TENSOR(P_STORAGE("K\4"), "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\1\x85",
                        "K\1\x85")),
        "pickle, before byte 133: a tensor of 1 values from 9223372036854775807, but the "
        "storage has 4");
}

/* ---- PyTorch's archives ---- */

struct part {
    const char *name;
    const void *data;
    size_t size;
    int method;
};

/* Written to x.pt in the folder. */
static void put_archive(const struct folder *folder, const struct part *parts, size_t count)
{
    char path[128];
    int error = 0;
    path_in(path, folder, "x.pt");
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(zip);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(zip, parts[i].data, parts[i].size, 0);
        zip_int64_t index = zip_file_add(zip, parts[i].name, source, 0);
        CU_ASSERT_FATAL(index >= 0);
        zip_set_file_compression(zip, (zip_uint64_t)index, parts[i].method, 0);
    }
    EXPECT_EQUAL_FATAL(zip_close(zip), 0);
}

#define OPENAI                                                                                     \
    "}(" P_TEXT("\4", "dims") "}(" P_TEXT("\x0c", "n_audio_head") "K\2" P_TEXT(                    \
        "\x0b", "n_text_head") "K\3u" P_TEXT("\x10", "model_state_dict") "}" P_TEXT("\1", "x")     \
        P_TENSOR(P_STORAGE("K\2"), "K\1", "K\1\x85", "K\1\x85") "su"

static void torch_refuses(const struct folder *folder, const struct part *parts, size_t count,
                          const char *expected)
{
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    char path[128];
    path_in(path, folder, "x.pt");
    if (parts)
        put_archive(folder, parts, count);
    complains_of(folder, "x.pt", torch_read(&c, path, folder->path, &error), &error, expected);
    checkpoint_finish(&c);
}

#define PART(name, text)                                                                           \
    {                                                                                              \
        name, PICKLE(text), ZIP_CM_STORE                                                           \
    }
#define RAW(name, text)                                                                            \
    {                                                                                              \
        name, text, sizeof(text) - 1, ZIP_CM_STORE                                                 \
    }
#define PACKED(name, text)                                                                         \
    {                                                                                              \
        name, text, sizeof(text) - 1, ZIP_CM_DEFLATE                                               \
    }

static void test_torch(void)
{
    struct folder folder = make_folder();
    struct checkpoint c = {0};
    struct hearken_error error = {""};
    char path[128];
    float value = 0;
    const struct part parts[] = {PART("a/data.pkl", OPENAI),
                                 RAW("a/data/0", "\0\0\x80\x3f\0\0\0\x40")};
    path_in(path, &folder, "x.pt");
    put_archive(&folder, parts, 2);
    EXPECT_EQUAL_FATAL(torch_read(&c, path, folder.path, &error), 0);
    CU_ASSERT(c.listener_heads == 2 && c.speller_heads == 3);
    const struct checkpoint_tensor *tensor = checkpoint_find(&c, "x");
    CU_ASSERT_FATAL(tensor && tensor->count == 1);
    checkpoint_read(tensor, 0, 1, &value);
    EXPECT_EQUAL(value, 2);
    checkpoint_finish(&c);
    remove_folder(&folder);
    CU_ASSERT(torch_begins((const uint8_t *)"PK\3\4", 4) &&
              !torch_begins((const uint8_t *)"PK\3\4", 3));
}

static void test_torch_that_lies(void)
{
    struct folder folder = make_folder();
    put_text(&folder, "x.pt", "PK\3\4");
    torch_refuses(&folder, NULL, 0, ": not a whole zip: Not a zip archive");
    torch_refuses(&folder, (const struct part[]){RAW("data.pkl", "x")}, 1,
                  ": there is no data.pkl in it, expected what torch.save writes");
    torch_refuses(
        &folder, (const struct part[]){RAW("a/data.pkl", "x")}, 1,
        ": pickle, before byte 1: the opcode 0x78, expected only those of a dictionary of "
        "tensors");
    torch_refuses(
        &folder, (const struct part[]){PACKED("a/data.pkl", "xxxxxxxxxxxxxxxxxxxxxxxx")}, 1,
        ": 'a/data.pkl' is compressed or has 24 bytes, expected it uncompressed and 1 to 4194304");
    torch_refuses(&folder, (const struct part[]){PART("a/data.pkl", OPENAI)}, 1,
                  ": there is no 'a/data/0' in it");
    torch_refuses(&folder,
                  (const struct part[]){PART("a/data.pkl", OPENAI), RAW("a/data/0", "1234567")}, 2,
                  ": storage '0' has 7 bytes, expected 8");
    torch_refuses(&folder, (const struct part[]){PART("a/data.pkl", "}")}, 1,
                  ": there are no tensors of a Whisper model in it");
    remove_folder(&folder);
}

/* ---- Vocabularies ---- */

static int read_vocabulary(const struct folder *folder, const char *name, const char *text,
                           uint32_t count, struct tokens *tokens, struct hearken_error *error)
{
    char path[128];
    *tokens = (struct tokens){0};
    path_in(path, folder, name);
    put_text(folder, name, text);
    return vocabulary_files_read(tokens, path, count, error);
}

static void test_vocabulary_files(void)
{
    static const struct {
        const char *text;
        uint32_t count, expected;
        const char *second;
    } cases[] = {
        {"!\na\n", 1610, 1610, "a"},
        {"!\na", 1611, 1611, "a"},
        {"!\na\n<|endoftext|>\n", 1610, 1610, "a"},
        {"IQ== 0\nIGE= 1\n", 1610, 1610,
         "\xc4\xa0"
         "a"},
        {"[\"!\", \"a\", \"<|x|>\"]", 3, 3, "a"},
        {"{\"a\": 1, \"!\": 0, \"<|x|>\": 2}", 3, 3, "a"},
        {"{\"model\": {\"vocab\": {\"!\": 0}}, \"added_tokens\": [{\"id\": 1, \"content\": "
         "\"<|x|>\"}]}",
         2, 2, "<|x|>"},
        {"{\"!\": 0, \"<|x|>\": 1}", 1503, 1503, "<|x|>"}, /* the times are missing */
    };
    struct folder folder = make_folder();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tokens tokens;
        struct hearken_error error = {""};
        EXPECT_EQUAL_FATAL(
            read_vocabulary(&folder, "vocab.json", cases[i].text, cases[i].count, &tokens, &error),
            0);
        EXPECT_EQUAL(tokens.count, cases[i].expected);
        EXPECT_EQUAL_STRING(tokens.names[0], "!");
        EXPECT_EQUAL_STRING(tokens.names[1], cases[i].second);
        tokens_finish(&tokens);
    }
    remove_folder(&folder);
}

static void test_vocabulary_beside(void)
{
    struct folder folder = make_folder();
    struct tokens tokens = {0};
    struct hearken_error error = {""};
    char text[512];
    snprintf(text, sizeof(text),
             "%s: no vocabulary in it, expected vocabulary.json, vocabulary.txt, tokenizer.json, "
             "vocab.json, multilingual.tiktoken or gpt2.tiktoken (--vocabulary FILE)",
             folder.path);
    complains(vocabulary_files_read(&tokens, folder.path, 2, &error), -ENOENT, &error, text);
    complains(vocabulary_files_read(&tokens, "/nonexistent", 2, &error), -ENOENT, &error,
              "/nonexistent: No such file or directory");
    put_text(&folder, "vocab.json", "{\"!\": 0}");
    put_text(&folder, "added_tokens.json", "{\"<|x|>\": 1}");
    EXPECT_EQUAL(vocabulary_files_read(&tokens, folder.path, 2, &error), 0);
    EXPECT_EQUAL(tokens.count, 2);
    tokens_finish(&tokens);
    put_text(&folder, "vocabulary.txt", "!\n<|y|>\n"); /* comes before it */
    EXPECT_EQUAL(vocabulary_files_read(&tokens, folder.path, 2, &error), 0);
    EXPECT_EQUAL(tokens_find(&tokens, "<|y|>"), 1);
    tokens_finish(&tokens);
    remove_folder(&folder);
}

static void test_vocabularies_that_lie(void)
{
    static const struct {
        const char *text;
        uint32_t count;
        const char *expected; /* behind the path; none where it begins with a capital or a digit */
    } cases[] = {
        {"{\"a\": 2}", 2, ": token 'a' has no number below the 2 of the embedding"},
        {"{\"a\": -1}", 2, ": token 'a' has no number below the 2 of the embedding"},
        {"{\"a\": 1.0}", 2, ": token 'a' has no number below the 2 of the embedding"},
        {"{\"a\": 4294967296}", 2, ": token 'a' has no number below the 2 of the embedding"},
        {"{\"a\": 1}", 2, ": there is no token 0"},
        {"{\"a\": 0, \"b\": 0}", 2, ": 'a' and 'b' both have number 0"},
        {"[\"a\", 3]", 2, ": element 1 is not a string"},
        {"{\"model\": {}}", 2, ": no object with tokens as names and numbers as values"},
        {"{\"model\": {\"vocab\": {}}, \"added_tokens\": [{\"id\": 0}]}", 2,
         ": added_tokens[0] has no content"},
        {"IQ== 0\nIGE= 2\n", 1610, ":2: 'IGE= 2' is not a token in base64 and its number 1"},
        {"IQ== 0\nI?E= 1\n", 1610, ":2: 'I?E= 1' is not a token in base64 and its number 1"},
        {"[\"<|x|>\", \"<|x|>\"]", 2, "vocabulary: tokens 0 and 1 are both '<|x|>'"},
    };
    struct folder folder = make_folder();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tokens tokens;
        struct hearken_error error = {""};
        int result =
            read_vocabulary(&folder, "vocab.json", cases[i].text, cases[i].count, &tokens, &error);
        if (cases[i].expected[0] == ':')
            complains_of(&folder, "vocab.json", result, &error, cases[i].expected);
        else
            complains(result, -EINVAL, &error, cases[i].expected);
        tokens_finish(&tokens);
    }
    remove_folder(&folder);
}

void add_convert_readers_tests(void)
{
    CU_pSuite suite = CU_add_suite("checkpoint readers", NULL, NULL);
    CU_add_test(suite, "JSON files", test_json_files);
    CU_add_test(suite, "JSON: lists", test_lists);
    CU_add_test(suite, "JSON: numbers", test_numbers);
    CU_add_test(suite, "Hugging Face: names", test_hugging_face_names);
    CU_add_test(suite, "Hugging Face: configuration", test_hugging_face_config);
    CU_add_test(suite, "safetensors", test_safetensors);
    CU_add_test(suite, "safetensors that lie", test_safetensors_that_lie);
    CU_add_test(suite, "safetensors: index", test_safetensors_index);
    CU_add_test(suite, "CTranslate2", test_ct2);
    CU_add_test(suite, "CTranslate2: cut short", test_ct2_cut_short);
    CU_add_test(suite, "CTranslate2: files that lie", test_ct2_that_lies);
    CU_add_test(suite, "CTranslate2: tensors that lie", test_ct2_tensors_that_lie);
    CU_add_test(suite, "pickle", test_pickle);
    CU_add_test(suite, "pickles that lie", test_pickles_that_lie);
    CU_add_test(suite, "pickled tensors that lie", test_pickled_tensors_that_lie);
    CU_add_test(suite, "PyTorch", test_torch);
    CU_add_test(suite, "PyTorch: archives that lie", test_torch_that_lies);
    CU_add_test(suite, "vocabularies", test_vocabulary_files);
    CU_add_test(suite, "vocabularies beside a checkpoint", test_vocabulary_beside);
    CU_add_test(suite, "vocabularies that lie", test_vocabularies_that_lie);
}
