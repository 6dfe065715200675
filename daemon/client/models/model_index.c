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

#define WHISPER_CPP "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/"

#define WHISPER(name_, bytes, sum, languages_, about_)                                             \
    {                                                                                              \
        .name = "whisper-" name_, .file = "whisper-" name_ ".bin", .size = (bytes),                \
        .sha256 = (sum), .addresses = {WHISPER_CPP "ggml-" name_ ".bin"}, .licence = "MIT",        \
        .languages = (languages_), .about = (about_)                                               \
    }

/* OpenAI's Whisper as whisper.cpp has it. Sizes and sums are those that the hosting service states;
 * two programs that pin them were compared. */
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
            "99", "Whisper, 39 million weights"),
    WHISPER("tiny.en", 77704715, "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f",
            "en", "Whisper, 39 million weights"),
    WHISPER("base", 147951465, "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe",
            "99", "Whisper, 74 million weights"),
    WHISPER("base.en", 147964211,
            "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002", "en",
            "Whisper, 74 million weights"),
    WHISPER("small", 487601967, "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b",
            "99", "Whisper, 244 million weights"),
    WHISPER("small.en", 487614201,
            "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d", "en",
            "Whisper, 244 million weights"),
    WHISPER("medium", 1533763059,
            "6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208", "99",
            "Whisper, 769 million weights"),
    WHISPER("medium.en", 1533774781,
            "cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356", "en",
            "Whisper, 769 million weights"),
    WHISPER("large-v3-turbo", 1624555275,
            "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69", "100",
            "Whisper, 809 million weights, 4 layers of the decoder"),
    WHISPER("large-v3-turbo-q5_0", 574041195,
            "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2", "100",
            "the same in 5 bits"),
    WHISPER("large-v3", 3095033483,
            "64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2", "100",
            "Whisper, 1,550 million weights"),
    WHISPER("large-v3-q5_0", 1081140203,
            "d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1", "100",
            "the same in 5 bits"),
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

static int read_entry(const json_t *object, struct index_entry *entry, const char *list,
                      struct hearken_error *error)
{
    const json_t *addresses = json_object_get(object, "addresses");
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
    if (!is_sum(entry->sha256))
        return hearken_fail(error, -EINVAL, "%s: %s: sha256 is %.80s, expected 64 digits", list,
                            entry->name, *entry->sha256 ? entry->sha256 : "missing");
    for (size_t i = 0; i < json_array_size(addresses) && i < INDEX_ADDRESSES_MAX - 1; i++)
        if (!(entry->addresses[i] = json_string_value(json_array_get(addresses, i))))
            return hearken_fail(error, -EINVAL, "%s: %s: an address is no text", list, entry->name);
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
