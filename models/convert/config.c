// SPDX-License-Identifier: MIT
#include "config.h"

#include "json_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_PATH 4096u

struct reading {
    const char *path;
    const json_t *root;
    struct complaint *complaint;
};

static bool take_number(const json_t *value, uint32_t limit, uint32_t *number)
{
    if (!json_is_integer(value))
        return false;
    json_int_t integer = json_integer_value(value);
    if (integer < 0 || integer >= (json_int_t)limit)
        return false;
    *number = (uint32_t)integer;
    return true;
}

/* An empty list for a key that is absent; NULL and `result` for one that is no array. */
static const json_t *find_list(const struct reading *r, const char *key, struct number_list *list,
                               int *result)
{
    const json_t *array = json_object_get(r->root, key);
    *result = 0;
    if (!array)
        return NULL;
    if (!json_is_array(array)) {
        *result = complain(r->complaint, -EINVAL, "%s: %s is not an array", r->path, key);
        return NULL;
    }
    list->numbers = calloc(json_array_size(array) + 1, sizeof(*list->numbers));
    if (!list->numbers) {
        *result = complain_of_memory(r->complaint);
        return NULL;
    }
    return array;
}

static int read_tokens(const struct reading *r, const char *key, uint32_t tokens,
                       struct number_list *list)
{
    int result;
    const json_t *array = find_list(r, key, list, &result);
    for (size_t i = 0; array && i < json_array_size(array); i++)
        if (!take_number(json_array_get(array, i), tokens, &list->numbers[list->count++]))
            return complain(r->complaint, -EINVAL,
                            "%s: %s[%zu] is not a token's number, expected 0 to %u", r->path, key,
                            i, tokens - 1);
    return result;
}

static int read_heads(const struct reading *r, const char *key, uint32_t layers, uint32_t heads,
                      struct number_list *list)
{
    int result;
    const json_t *array = find_list(r, key, list, &result);
    for (size_t i = 0; array && i < json_array_size(array); i++) {
        const json_t *pair = json_array_get(array, i);
        uint32_t layer, head;
        if (json_array_size(pair) != 2 || !take_number(json_array_get(pair, 0), layers, &layer) ||
            !take_number(json_array_get(pair, 1), heads, &head))
            return complain(r->complaint, -EINVAL,
                            "%s: %s[%zu] is not a layer below %u and a head below %u", r->path, key,
                            i, layers, heads);
        list->numbers[list->count++] = layer * heads + head;
    }
    return result;
}

int config_read(struct config *config, const char *directory, uint32_t layers, uint32_t heads,
                uint32_t tokens, struct complaint *complaint)
{
    char path[MAX_PATH];
    json_t *root;
    *config = (struct config){0};
    int length = snprintf(path, sizeof(path), "%s/config.json", directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return complain(complaint, -ENAMETOOLONG, "%.80s...: the path is too long", directory);
    int result = json_file_read(path, &root, complaint);
    if (result < 0)
        return result;
    const struct reading r = {path, root, complaint};
    if (!json_is_object(root))
        result = complain(complaint, -EINVAL, "%s: not an object", path);
    else if ((result = read_heads(&r, "alignment_heads", layers, heads,
                                  &config->alignment_heads)) == 0 &&
             (result = read_tokens(&r, "suppress_ids", tokens, &config->suppress)) == 0)
        result = read_tokens(&r, "suppress_ids_begin", tokens, &config->suppress_at_begin);
    json_decref(root);
    return result;
}

void config_finish(struct config *config)
{
    free(config->alignment_heads.numbers);
    free(config->suppress.numbers);
    free(config->suppress_at_begin.numbers);
    *config = (struct config){0};
}
