// SPDX-License-Identifier: MIT
#include "daemon/client/models/model_index.h"

#include "daemon/client/models/model_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 1000 /* entries of lists; more make no sense */

/* What is said of each size. */
#define TINY     "Whisper, 39 million weights"
#define BASE     "Whisper, 74 million weights"
#define SMALL    "Whisper, 244 million weights"
#define MEDIUM   "Whisper, 769 million weights"
#define TURBO    "Whisper, 809 million weights, 4 layers of the decoder"
#define LARGE_V3 "Whisper, 1,550 million weights"

#define WHISPER_CPP "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/"

#define WHISPER(name_, bytes, sum, languages_, about_)                                             \
    {                                                                                              \
        .name = "whisper-" name_, .file = "whisper-" name_ ".bin", .size = (bytes),                \
        .sha256 = (sum), .addresses = {WHISPER_CPP "ggml-" name_ ".bin"}, .licence = "MIT",        \
        .languages = (languages_), .about = (about_)                                               \
    }

#define OPENAI "https://huggingface.co/openai/whisper-"

/* Sizes and sums of tokenizer.json, which several models share. */
#define TOKENS_ENGLISH  2405679, "5eb60cec1e77aeeb6869a2bb5a8e01a84c3fe5d072d75369343021fe6f5310d0"
#define TOKENS_99       2480466, "27fc476bfe7f17299480be2273fc0608e4d5a99aba2ab5dec5374b4482d1a566"
#define TOKENS_LARGE_V3 2480617, "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca"
#define TOKENS_TURBO    2710337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"

/* A part, by its size and sum. */
#define PART(name_, ...)                                                                           \
    {                                                                                              \
        (name_), __VA_ARGS__                                                                       \
    }

/* OpenAI's own checkpoint at a commit. Its generation_config.json, `generation`, has the alignment
 * heads. `total` is the sum of the parts. */
#define CHECKPOINT(name_, commit, total, weights, config, generation, tokens, languages_, about_)  \
    {                                                                                              \
        .name = "openai-whisper-" name_, .file = "openai-whisper-" name_ ".gguf", .size = (total), \
        .sha256 = "", .addresses = {OPENAI name_ "/resolve/" commit "/"},                          \
        .parts = {PART("config.json", config), PART("generation_config.json", generation),         \
                  PART("tokenizer.json", tokens), PART("model.safetensors", weights)},             \
        .licence = "Apache-2.0", .languages = (languages_),                                        \
        .about = about_ ", from OpenAI's file, in 8 bits"                                          \
    }
#define SUM(bytes, sum) bytes, sum

/*
 * OpenAI's Whisper as whisper.cpp has it, then as OpenAI has it. Sizes and sums of weights are
 * those that the hosting service states; two programs that pin them were compared. It states no
 * SHA-256 of small files: theirs are as programs have it that pin them. medium.en is not here, as
 * the sum of its config.json is not known.
 */
static const struct index_entry table[] = {
    {
        .name = "hearken-en",
        .file = "hearken-en.gguf",
        .sha256 = "",
        .licence = "MIT",
        .languages = "en",
        .about = "the default; comes with hearken",
    },
    {
        .name = "hearken-en-light",
        .file = "hearken-en-light.gguf",
        .sha256 = "",
        .licence = "MIT",
        .languages = "en",
        .about = "half the memory; comes with hearken",
    },
    {
        .name = "hearken-en-small",
        .file = "hearken-en-small.gguf",
        .sha256 = "",
        .licence = "MIT",
        .languages = "en",
        .about = "the fastest; comes with hearken",
    },
    WHISPER("tiny", 77691713, "be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21",
            "99", TINY),
    WHISPER("tiny.en", 77704715, "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f",
            "en", TINY),
    WHISPER("base", 147951465, "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe",
            "99", BASE),
    WHISPER("base.en", 147964211,
            "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002", "en", BASE),
    WHISPER("small", 487601967, "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b",
            "99", SMALL),
    WHISPER("small.en", 487614201,
            "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d", "en", SMALL),
    WHISPER("medium", 1533763059,
            "6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208", "99", MEDIUM),
    WHISPER("medium.en", 1533774781,
            "cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356", "en", MEDIUM),
    WHISPER("large-v3-turbo", 1624555275,
            "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69", "100", TURBO),
    WHISPER("large-v3-turbo-q5_0", 574041195,
            "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2", "100",
            "the same in 5 bits"),
    WHISPER("large-v3", 3095033483,
            "64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2", "100", LARGE_V3),
    WHISPER("large-v3-q5_0", 1081140203,
            "d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1", "100",
            "the same in 5 bits"),
    CHECKPOINT("tiny", "169d4a4341b33bc18d8881c4b69c2e104e1cc0af", 153547868,
               SUM(151061672, "7ebd0e69e78190ffe1438491fa05cc1f5c1aa3a4c4db3bc1723adbb551ea2395"),
               SUM(1983, "ffdccec4f3211f4c63310f2b7098f309fe70f3952cedc5e4d11e43f5b2379b98"),
               SUM(3747, "a5d5325911f16e74001a72fa13d6e208eee51548f994646de1f4b4cc8b35b512"),
               TOKENS_99, "99", TINY),
    CHECKPOINT("tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063", 153469373,
               SUM(151060136, "db59695928ded6043adaef491a53ef4e12da9611184d77c53baa691a60b958ad"),
               SUM(1937, "b5366317df280f79e6cc366f259f379674f81a8721d458acf2e00680ccb10b1d"),
               SUM(1621, "38744c19d5cede6ff4dab5079c6d6ddc02ca726960bbef208fb602ad5a030eab"),
               TOKENS_ENGLISH, "en", TINY),
    CHECKPOINT("base", "e37978b90ca9030d5170a5c07aadb050351a65bb", 292890192,
               SUM(290403936, "07cadb9f25677c8d50df603e66a98fbd842cce45047139baeb16e6219a1e807b"),
               SUM(1983, "a153c53883a6799b6f056b4a8d1a515c9926d03994682ba88a7616618d7da0c1"),
               SUM(3807, "444b3f636d2fff89dd9ecf549e2a085b61f7ff0fa0246d4628bac6a3b8cc9ba4"),
               TOKENS_99, "99", BASE),
    CHECKPOINT("base.en", "911407f4214e0e1d82085af863093ec0b66f9cd6", 292811035,
               SUM(290401888, "d4dd5542fd6a1d35639e21384238f3bfe6c557c849d392b5905d33ee29e71db5"),
               SUM(1937, "160c1df40a60d4ef5a6014d536fd845c33aabfd1f318458ac7f87cfe91ebbe76"),
               SUM(1531, "c5750f05d94777579e00ce26ef65e5d87c108439f90e3ac519df2587b9d5d41f"),
               TOKENS_ENGLISH, "en", BASE),
    CHECKPOINT("small", "973afd24965f72e36ca33b3055d56a652f456b4d", 969481381,
               SUM(966995080, "1d7734884874f1a1513ed9aa760a4f8e97aaa02fd6d93a3a85d27b2ae9ca596b"),
               SUM(1967, "e6a2b489da1b5aed65a8eb8d1e7466fa867ad5643a8bc138ba708bd56b2875c4"),
               SUM(3868, "71565b8ef50d0bf7a1193ed4bbed195b94e70c18894d81bba2f1233dcec3ab53"),
               TOKENS_99, "99", SMALL),
    CHECKPOINT("small.en", "e8727524f962ee844a7319d92be39ac1bd25655a", 969401561,
               SUM(966992008, "6014ac49b506df900f66f4aca6b0801eed7245594ace97bcaf73e0ae5b863066"),
               SUM(1943, "3441094addfb2a31ef62ea117e95bd6e437bbad8e93d3697fe420a4a6d3603a5"),
               SUM(1931, "aad4e18c0fb1d063c5b38b4080cec3c4c8cdfff95e1de4797013470654a5a72a"),
               TOKENS_ENGLISH, "en", SMALL),
    CHECKPOINT("medium", "abdf7c39ab9d0397620ccaea8974cc764cd0953e", 3058030516,
               SUM(3055544304, "62f73550fa6db24b0c6f6c5962bd0dae80fa644e93cde9cd9c3792971b47fd28"),
               SUM(1991, "18706810eb740d1dc54d1db181358d5f8578600d0f449e51dfd4798c0223a1f5"),
               SUM(3755, "503290bc2da3923915d96a96ab96ddaa76e7ea18fbd4c5c1822a2947c82c86db"),
               TOKENS_99, "99", MEDIUM),
    CHECKPOINT("large-v3-turbo", "41f01f3fe87f28c78e2fbf8b568835947dd65ed9", 1620540229,
               SUM(1617824864, "542566a422ae4f3fd23f1ba11add198fca01bbf82e66e6a2857b3f608b1eb9d1"),
               SUM(1256, "c5b526b3e3cd64cd8940dabb45e8ba726629e22d8ed389c29b552f9140daf04a"),
               SUM(3772, "cce11bfe3aaa6ae9e072ea2637caaec8795e68d9b67e655a5af16ee509681a4c"),
               TOKENS_TURBO, "100", TURBO),
    CHECKPOINT("large-v3", "06f233fe06e710322aca913c1bc4249a0d71fce1", 3089616768,
               SUM(3087130976, "a8e94b85976e5864ba3e9525c7e6c83b2a1eca42d4b797a0c7c24d778e40fd95"),
               SUM(1272, "ad0e8d1e46f4d01f7861a21509e5d0f977d6cc1f367a370603c92541d819807b"),
               SUM(3903, "fbdfa70135de9b1d31553393f14e80aaeb1936ea36576b2ba864055943c09d23"),
               TOKENS_LARGE_V3, "100", LARGE_V3),
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

struct model_index {
    size_t count;
    struct index_entry entries[TABLE_COUNT + LISTED_MAX]; /* [count] */
    json_t *lists; /* an array of the lists, which hold the entries' texts */
};

/* ---- Lists ---- */

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return length > 0 && length < 100 && isalnum((unsigned char)text[0]);
}

static bool is_sum(const char *text)
{
    return strlen(text) == SHA256_TEXT - 1 && strspn(text, "0123456789abcdef") == SHA256_TEXT - 1;
}

/* A text of an object, or `otherwise`, which may be NULL. */
static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static bool is_folder(const char *address)
{
    size_t length = strlen(address);
    return length > 0 && address[length - 1] == '/';
}

/* The files of a checkpoint, each with its sum: nothing else says what hearken-convert reads. */
static int read_parts(const json_t *parts, struct index_entry *entry, const char *list,
                      struct hearken_error *error)
{
    size_t count = json_array_size(parts);
    if (count == 0 || count >= INDEX_PARTS_MAX)
        return hearken_fail(error, -EINVAL, "%s: %s: %zu parts, expected a list of 1 to %d", list,
                            entry->name, count, INDEX_PARTS_MAX - 1);
    entry->sha256 = "";
    entry->size = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(parts, i);
        json_int_t size = json_integer_value(json_object_get(object, "size"));
        const char *name = text_of(object, "name", ""), *sum = text_of(object, "sha256", "");
        if (!is_name(name) || size <= 0 || !is_sum(sum))
            return hearken_fail(error, -EINVAL,
                                "%s: %s: part %.60s: expected a name, a size and a sha256 of 64 "
                                "digits",
                                list, entry->name, name);
        entry->parts[i] = (struct index_part){name, (uint64_t)size, sum};
        entry->size += (uint64_t)size;
    }
    return 0;
}

static int read_entry(const json_t *object, struct index_entry *entry, const char *list,
                      struct hearken_error *error)
{
    const json_t *addresses = json_object_get(object, "addresses");
    const json_t *parts = json_object_get(object, "parts");
    json_int_t size = json_integer_value(json_object_get(object, "size"));
    *entry = (struct index_entry){
        .name = text_of(object, "name", ""),
        .file = text_of(object, "file", ""),
        .sha256 = text_of(object, "sha256", ""),
        .size = size > 0 ? (uint64_t)size : 0,
        .licence = text_of(object, "licence", ""),
        .languages = text_of(object, "languages", ""),
        .about = text_of(object, "about", ""),
    };
    if (!is_name(entry->name) || !is_name(entry->file))
        return hearken_fail(error, -EINVAL,
                            "%s: name %.60s, file %.60s: expected letters, digits and - _ .", list,
                            entry->name, entry->file);
    if (parts && read_parts(parts, entry, list, error) < 0)
        return -EINVAL;
    if (!parts && !is_sum(entry->sha256))
        return hearken_fail(error, -EINVAL, "%s: %s: sha256 is %.80s, expected 64 digits", list,
                            entry->name, *entry->sha256 ? entry->sha256 : "missing");
    for (size_t i = 0; i < json_array_size(addresses) && i < INDEX_ADDRESSES_MAX - 1; i++)
        if (!(entry->addresses[i] = json_string_value(json_array_get(addresses, i))))
            return hearken_fail(error, -EINVAL, "%s: %s: an address is no text", list, entry->name);
        else if (parts && !is_folder(entry->addresses[i]))
            return hearken_fail(error, -EINVAL,
                                "%s: %s: address %.200s: expected a slash at the end, behind which "
                                "the parts' names come",
                                list, entry->name, entry->addresses[i]);
    return 0;
}

/* Replaces the entry of the same name, or appends it. */
static int add_entry(struct model_index *index, const struct index_entry *entry)
{
    size_t at = 0;
    while (at < index->count && strcmp(index->entries[at].name, entry->name) != 0)
        at++;
    if (at == TABLE_COUNT + LISTED_MAX)
        return -E2BIG;
    index->entries[at] = *entry;
    index->count += at == index->count;
    return 0;
}

/* `index` NULL: only checks. */
static int read_list(struct model_index *index, json_t *list, const char *name,
                     struct hearken_error *error)
{
    const json_t *models = json_object_get(list, "models");
    struct index_entry entry;
    if (!json_is_array(models))
        return hearken_fail(error, -EINVAL, "%s: no list of models: expected {\"models\": [...]}",
                            name);
    for (size_t i = 0; i < json_array_size(models); i++) {
        int result = read_entry(json_array_get(models, i), &entry, name, error);
        if (result == 0 && index && add_entry(index, &entry) < 0)
            result = hearken_fail(error, -E2BIG, "%s: too many models, expected at most %d", name,
                                  LISTED_MAX);
        if (result < 0)
            return result;
    }
    return 0;
}

int model_index_check(const char *text, const char *name, struct hearken_error *error)
{
    json_error_t problem;
    json_t *list = json_loads(text, 0, &problem);
    if (!list)
        return hearken_fail(error, -EINVAL, "%s: line %d: %s", name, problem.line, problem.text);
    int result = read_list(NULL, list, name, error);
    json_decref(list);
    return result;
}

static int is_list(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".json") == 0;
}

static int read_lists(struct model_index *index, struct hearken_error *error)
{
    char folder[PATH_MAX], path[PATH_MAX];
    struct dirent **files;
    int count = hearken_models_folder(folder, sizeof(folder))
                    ? scandir(folder, &files, is_list, alphasort)
                    : -1;
    int result = 0;
    for (int i = 0; i < count; i++) {
        json_error_t problem;
        json_t *list = NULL;
        if (result == 0 && model_folder_file(files[i]->d_name, path, sizeof(path))) {
            list = json_load_file(path, 0, &problem);
            if (!list)
                result = hearken_fail(error, -EINVAL, "%s: line %d: %s", path, problem.line,
                                      problem.text);
            else if ((result = read_list(index, list, path, error)) == 0)
                json_array_append(index->lists, list);
        }
        json_decref(list);
        free(files[i]);
    }
    if (count >= 0)
        free(files);
    return result;
}

/* ---- Interface ---- */

int model_index_create(struct model_index **index, struct hearken_error *error)
{
    struct model_index *created = calloc(1, sizeof(*created));
    if (created)
        created->lists = json_array();
    if (!created || !created->lists) {
        free(created);
        return hearken_fail(error, -ENOMEM, "out of memory");
    }
    memcpy(created->entries, table, sizeof(table));
    created->count = TABLE_COUNT;
    int result = read_lists(created, error);
    if (result < 0)
        model_index_destroy(created);
    else
        *index = created;
    return result;
}

void model_index_destroy(struct model_index *index)
{
    if (!index)
        return;
    json_decref(index->lists);
    free(index);
}

const struct index_entry *model_index_at(const struct model_index *index, size_t number)
{
    return number < index->count ? &index->entries[number] : NULL;
}

const struct index_entry *model_index_find(const struct model_index *index, const char *name)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->entries[i].name, name) == 0)
            return &index->entries[i];
    return NULL;
}
