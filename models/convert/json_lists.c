// SPDX-License-Identifier: MIT
#include "models/convert/json_lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int json_file_read(const char *path, json_t **root, struct hearken_error *error)
{
    json_error_t json_error;
    *root = json_load_file(path, 0, &json_error);
    if (*root)
        return 0;
    if (json_error_code(&json_error) == json_error_out_of_memory)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (json_error_code(&json_error) == json_error_cannot_open_file)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    if (json_error.line < 0)
        return hearken_fail(error, -EINVAL, "%s: %s", path, json_error.text);
    return hearken_fail(error, -EINVAL, "%s:%d:%d: %s", path, json_error.line, json_error.column,
                        json_error.text);
}

#define MOST 65536u

struct reading {
    const char *path;
    const json_t *root;
    struct hearken_error *error;
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

/* The array of a key. NULL if the key is absent or the list already filled, or with `result` set if
 * the value is not an array. */
static const json_t *find_list(const struct reading *r, const char *key, struct number_list *list,
                               int *result)
{
    const json_t *array = json_object_get(r->root, key);
    *result = 0;
    if (!array || json_is_null(array) || list->numbers)
        return NULL;
    if (!json_is_array(array)) {
        *result = hearken_fail(r->error, -EINVAL, "%s: %s is not an array", r->path, key);
        return NULL;
    }
    list->numbers = calloc(json_array_size(array) + 1, sizeof(*list->numbers));
    if (!list->numbers) {
        *result = hearken_fail(r->error, -ENOMEM, "out of memory");
        return NULL;
    }
    return array;
}

static int read_tokens(const struct reading *r, const char *key, struct number_list *list)
{
    int result;
    const json_t *array = find_list(r, key, list, &result);
    for (size_t i = 0; array && i < json_array_size(array); i++)
        if (!take_number(json_array_get(array, i), INT32_MAX, &list->numbers[list->count++]))
            return hearken_fail(r->error, -EINVAL, "%s: %s[%zu] is not a token's number", r->path,
                                key, i);
    return result;
}

static int read_heads(const struct reading *r, const char *key, uint32_t heads,
                      struct number_list *list)
{
    int result;
    const json_t *array = find_list(r, key, list, &result);
    for (size_t i = 0; array && i < json_array_size(array); i++) {
        const json_t *pair = json_array_get(array, i);
        uint32_t layer, head;
        if (json_array_size(pair) != 2 || !take_number(json_array_get(pair, 0), MOST, &layer) ||
            !take_number(json_array_get(pair, 1), heads, &head))
            return hearken_fail(r->error, -EINVAL, "%s: %s[%zu] is not a layer and a head below %u",
                                r->path, key, i, heads);
        list->numbers[list->count++] = layer * heads + head;
    }
    return result;
}

int config_read_lists(struct checkpoint *checkpoint, const json_t *root, const char *path,
                      const struct list_names *names, struct hearken_error *error)
{
    const struct reading r = {path, root, error};
    if (!json_is_object(root))
        return hearken_fail(error, -EINVAL, "%s: not an object", path);
    int result = read_heads(&r, names->alignment_heads, checkpoint->speller_heads,
                            &checkpoint->alignment_heads);
    if (result == 0)
        result = read_tokens(&r, names->suppress, &checkpoint->suppress);
    if (result == 0)
        result = read_tokens(&r, names->suppress_at_begin, &checkpoint->suppress_at_begin);
    return result;
}

int config_read_number(const json_t *root, const char *path, const char *key, uint32_t *value,
                       struct hearken_error *error)
{
    if (take_number(json_object_get(root, key), MOST + 1, value) && *value > 0)
        return 0;
    return hearken_fail(error, -EINVAL, "%s: %s is not a whole number from 1 to %u", path, key,
                        MOST);
}

int config_path(char *path, const char *directory, const char *name, struct hearken_error *error)
{
    int length = snprintf(path, MAX_PATH, "%s/%s", directory, name);
    if (length >= 0 && (unsigned)length < MAX_PATH)
        return 0;
    return hearken_fail(error, -ENAMETOOLONG, "%.80s...: the path is too long", directory);
}
