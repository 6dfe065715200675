// SPDX-License-Identifier: MIT
#include "vocabulary.h"

#include "json_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKENS 1000000u
#define MAX_PATH   4096u

/* A line without its end, in `line`; false at the end of the file. */
static bool next_line(FILE *file, char **line, size_t *room)
{
    ssize_t length = getline(line, room, file);
    if (length < 0)
        return false;
    if (length > 0 && (*line)[length - 1] == '\n')
        (*line)[length - 1] = 0;
    return true;
}

static int add_name(struct vocabulary *v, size_t *room, const char *name,
                    struct complaint *complaint)
{
    if (v->count == *room) {
        size_t more = *room ? 2 * *room : 1024;
        void *grown = realloc(v->names, more * sizeof(*v->names));
        if (!grown)
            return complain_of_memory(complaint);
        v->names = grown;
        *room = more;
    }
    v->names[v->count] = strdup(name);
    if (!v->names[v->count])
        return complain_of_memory(complaint);
    v->count++;
    return 0;
}

static int read_json(struct vocabulary *v, const char *path, struct complaint *complaint)
{
    json_t *root;
    size_t room = 0;
    int result = json_file_read(path, &root, complaint);
    if (result < 0)
        return result;
    if (!json_is_array(root) || json_array_size(root) > MAX_TOKENS)
        result = complain(complaint, -EINVAL, "%s: not an array of at most %u strings", path,
                          MAX_TOKENS);
    for (size_t i = 0; result == 0 && i < json_array_size(root); i++) {
        const char *name = json_string_value(json_array_get(root, i));
        result = name ? add_name(v, &room, name, complaint)
                      : complain(complaint, -EINVAL, "%s: element %zu is not a string", path, i);
    }
    json_decref(root);
    return result;
}

static int read_lines(struct vocabulary *v, const char *path, struct complaint *complaint)
{
    char *line = NULL;
    size_t length = 0, room = 0;
    int result = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return complain_of_file(complaint, -errno, path);
    while (result == 0 && next_line(file, &line, &length))
        result = v->count < MAX_TOKENS
                     ? add_name(v, &room, line, complaint)
                     : complain(complaint, -EINVAL, "%s: more than %u lines", path, MAX_TOKENS);
    if (result == 0 && ferror(file))
        result = complain(complaint, -EIO, "%s: cannot be read", path);
    free(line);
    fclose(file);
    return result;
}

static int compare_tokens(const void *a, const void *b, void *names)
{
    const uint32_t *left = a, *right = b;
    return strcmp(((char **)names)[*left], ((char **)names)[*right]);
}

/* Tables over the names; all tokens are kept. */
static int index_names(struct vocabulary *v, struct complaint *complaint)
{
    v->order = calloc(v->count + 1, sizeof(*v->order));
    v->ids = calloc(v->count + 1, sizeof(*v->ids));
    v->kept = calloc(v->count + 1, sizeof(*v->kept));
    if (!v->order || !v->ids || !v->kept)
        return complain_of_memory(complaint);
    for (uint32_t i = 0; i < v->count; i++)
        v->order[i] = v->ids[i] = v->kept[i] = i;
    v->kept_count = v->count;
    qsort_r(v->order, v->count, sizeof(*v->order), compare_tokens, v->names);
    for (uint32_t i = 1; i < v->count; i++)
        if (strcmp(v->names[v->order[i - 1]], v->names[v->order[i]]) == 0)
            return complain(complaint, -EINVAL,
                            "vocabulary: tokens %" PRIu32 " and %" PRIu32 " are both '%.80s'",
                            v->order[i - 1], v->order[i], v->names[v->order[i]]);
    return 0;
}

int vocabulary_read(struct vocabulary *vocabulary, const char *directory,
                    struct complaint *complaint)
{
    char path[MAX_PATH];
    *vocabulary = (struct vocabulary){0};
    int length = snprintf(path, sizeof(path), "%s/vocabulary.json", directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return complain(complaint, -ENAMETOOLONG, "%.80s...: the path is too long", directory);
    bool is_json = access(path, F_OK) == 0;
    if (!is_json)
        snprintf(path, sizeof(path), "%s/vocabulary.txt", directory);
    int result =
        is_json ? read_json(vocabulary, path, complaint) : read_lines(vocabulary, path, complaint);
    return result < 0 ? result : index_names(vocabulary, complaint);
}

void vocabulary_finish(struct vocabulary *vocabulary)
{
    for (uint32_t i = 0; i < vocabulary->count; i++)
        free(vocabulary->names[i]);
    free(vocabulary->names);
    free(vocabulary->order);
    free(vocabulary->ids);
    free(vocabulary->kept);
    *vocabulary = (struct vocabulary){0};
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *name)
{
    uint32_t low = 0, high = vocabulary->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, vocabulary->names[vocabulary->order[middle]]);
        if (order == 0)
            return vocabulary->order[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NO_TOKEN;
}

/* New ids, in the checkpoint's order, for the tokens whose id is not NO_TOKEN. */
static void number_kept(struct vocabulary *v)
{
    v->kept_count = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->ids[i] != NO_TOKEN) {
            v->ids[i] = v->kept_count;
            v->kept[v->kept_count++] = i;
        }
}

int vocabulary_keep(struct vocabulary *vocabulary, const char *path, struct complaint *complaint)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    int result = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return complain_of_file(complaint, -errno, path);
    for (uint32_t i = 0; i < vocabulary->count; i++)
        vocabulary->ids[i] = NO_TOKEN;
    while (result == 0 && next_line(file, &line, &room)) {
        uint32_t id = vocabulary_find(vocabulary, line);
        number++;
        if (id == NO_TOKEN)
            result = complain(complaint, -EINVAL,
                              "%s:%zu: '%.80s' is no token of the checkpoint's vocabulary", path,
                              number, line);
        else
            vocabulary->ids[id] = 0;
    }
    if (result == 0 && ferror(file))
        result = complain(complaint, -EIO, "%s: cannot be read", path);
    free(line);
    fclose(file);
    number_kept(vocabulary);
    return result;
}

bool vocabulary_is_control(const struct vocabulary *vocabulary, uint32_t id)
{
    const char *name = vocabulary->names[id];
    size_t length = strlen(name);
    return length > 4 && memcmp(name, "<|", 2) == 0 && memcmp(name + length - 2, "|>", 2) == 0;
}
