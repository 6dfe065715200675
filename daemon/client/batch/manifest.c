// SPDX-License-Identifier: MIT
#include "daemon/client/batch/manifest.h"

#include "daemon/common/json_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Texts ---- */

bool manifest_is_id(const char *id)
{
    size_t length = strlen(id);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)id[i]) && (i == 0 || !strchr("._-", id[i])))
            return false;
    return length > 0 && length <= MANIFEST_ID_MAX;
}

bool manifest_is_sha256(const char *text)
{
    return strlen(text) == SHA256_TEXT - 1 && strspn(text, "0123456789abcdef") == SHA256_TEXT - 1;
}

static int digit_value(char digit)
{
    return isdigit((unsigned char)digit)    ? digit - '0'
           : isxdigit((unsigned char)digit) ? (digit | 0x20) - 'a' + 10
                                            : -1;
}

/* In place; false: not percent-encoded, or with a 0. */
static bool percent_decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = digit_value(in[1]), low = high < 0 ? -1 : digit_value(in[2]);
        if (low < 0 || high + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

bool manifest_url_to_path(char *url)
{
    static const char scheme[] = "file://";
    const size_t length = sizeof(scheme) - 1;
    if (strncmp(url, scheme, length) == 0) {
        memmove(url, url + length, strlen(url + length) + 1);
        return url[0] == '/' && percent_decode(url);
    }
    size_t name = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return name == 0 || strncmp(url + name, "://", 3) != 0;
}

/* ---- A line ---- */

static int refuse(struct hearken_error *error, const char *name, const json_t *value,
                  const char *expected)
{
    if (json_is_string(value))
        return hearken_fail(error, -EINVAL, "%s is \"%.80s\", expected %s", name,
                            json_string_value(value), expected);
    return hearken_fail(error, -EINVAL, "%s is %s, expected %s", name, json_type_name(value),
                        expected);
}

/* Fills in one member of an item. */
static int read_member(struct manifest_item *item, const char *name, json_t *value,
                       struct hearken_error *error)
{
    const char *text = json_string_value(value);
    if (strcmp(name, "id") == 0) {
        if (!text || !manifest_is_id(text))
            return refuse(error, name, value,
                          "1 to 128 letters, digits and . _ -, a letter or digit first");
        item->id = strdup(text);
        return item->id ? 0 : -ENOMEM;
    }
    if (strcmp(name, "url") == 0) {
        if (!text || !*text)
            return refuse(error, name, value, "the address of a recording");
        item->url = strdup(text);
        return item->url ? 0 : -ENOMEM;
    }
    if (strcmp(name, "bytes") == 0) {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return refuse(error, name, value, "a whole number of bytes");
        item->bytes = (uint64_t)json_integer_value(value);
        return 0;
    }
    if (strcmp(name, "sha256") == 0) {
        if (!text || !manifest_is_sha256(text))
            return refuse(error, name, value, "64 digits of 0 to 9 and a to f");
        strcpy(item->sha256, text);
        return 0;
    }
    if (strcmp(name, "options") == 0) {
        if (!json_is_object(value))
            return refuse(error, name, value, "an object, {\"language\": \"de\"}");
        item->options = json_incref(value);
        return 0;
    }
    return hearken_fail(error, -EINVAL,
                        "unknown member \"%.80s\", expected id, url, bytes, sha256 or options",
                        name);
}

int manifest_parse(const char *line, size_t length, struct manifest_item *item,
                   struct hearken_error *error)
{
    json_error_t problem;
    const char *name;
    json_t *value;
    *item = (struct manifest_item){0};
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!object)
        return hearken_fail(error, -EINVAL, "%.150s: expected a JSON object with a url",
                            problem.text);
    int result = json_is_object(object)
                     ? 0
                     : hearken_fail(error, -EINVAL, "is %s, expected a JSON object with a url",
                                    json_type_name(object));
    if (result == 0)
        json_object_foreach(object, name,
                            value) if (result == 0 &&
                                       (result = read_member(item, name, value, error)) == -ENOMEM)
            hearken_fail(error, -ENOMEM, "out of memory");
    json_decref(object);
    if (result == 0 && !item->url)
        result = hearken_fail(error, -EINVAL, "has no url, expected {\"url\": \"talk.flac\"}");
    if (result < 0)
        manifest_item_finish(item);
    return result;
}

void manifest_item_finish(struct manifest_item *item)
{
    free(item->id);
    free(item->url);
    json_decref(item->options);
    *item = (struct manifest_item){0};
}

/* ---- The file ---- */

long manifest_read_line(FILE *file, char *line)
{
    size_t length = 0;
    int byte;
    while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
        if (length == MANIFEST_LINE_MAX)
            return -E2BIG;
        line[length++] = (char)byte;
    }
    line[length] = '\0';
    if (byte == EOF && ferror(file))
        return -EIO;
    return byte == EOF && length == 0 ? -ENODATA : (long)length;
}

static bool is_blank(const char *line, size_t length)
{
    return length == strspn(line, " \t\r");
}

int manifest_add(struct manifest *manifest, const struct manifest_item *item)
{
    if (manifest->count == manifest->room) {
        size_t room = manifest->room ? 2 * manifest->room : 1024;
        struct manifest_item *items = realloc(manifest->items, room * sizeof(*items));
        if (!items)
            return -ENOMEM;
        manifest->items = items;
        manifest->room = room;
    }
    manifest->items[manifest->count++] = *item;
    manifest->bytes += item->bytes;
    return 0;
}

/* Errors: as manifest_read, without the path and the line. */
static int read_item(struct manifest *manifest, const char *line, size_t length, size_t number,
                     struct hearken_error *error)
{
    struct manifest_item item;
    int result = manifest_parse(line, length, &item, error);
    if (result < 0)
        return result;
    item.line = number;
    if (manifest_add(manifest, &item) == 0)
        return 0;
    manifest_item_finish(&item);
    return hearken_fail(error, -ENOMEM, "out of memory");
}

static int read_items(struct manifest *manifest, FILE *file, char *line,
                      struct hearken_error *error)
{
    struct hearken_error problem = {""};
    for (size_t number = 1;; number++) {
        long length = manifest_read_line(file, line);
        int result = 0;
        if (length == -ENODATA)
            return 0;
        if (length == -EIO)
            return hearken_fail(error, -EIO, "%s: %s", manifest->path, strerror(errno));
        if (length == -E2BIG)
            result = hearken_fail(&problem, -EINVAL, "longer than %u bytes", MANIFEST_LINE_MAX);
        else if (!is_blank(line, (size_t)length))
            result = read_item(manifest, line, (size_t)length, number, &problem);
        if (result < 0)
            return hearken_fail(error, result, "%s: line %zu: %s", manifest->path, number,
                                problem.message);
    }
}

int manifest_read(struct manifest *manifest, const char *path, struct hearken_error *error)
{
    FILE *file = fopen(path, "re");
    char *line = malloc(MANIFEST_LINE_MAX + 2);
    *manifest = (struct manifest){.path = path};
    int result = !file   ? hearken_fail(error, -errno, "%s: %s", path, strerror(errno))
                 : !line ? hearken_fail(error, -ENOMEM, "out of memory")
                         : read_items(manifest, file, line, error);
    free(line);
    if (file)
        fclose(file);
    return result;
}

void manifest_finish(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        manifest_item_finish(&manifest->items[i]);
    free(manifest->items);
    *manifest = (struct manifest){0};
}

/* ---- Items of the same id ---- */

static int compare_ids(const void *a, const void *b)
{
    const struct manifest_item *const *left = a, *const *right = b;
    int order = strcmp((*left)->id, (*right)->id);
    return order ? order : (*left)->line < (*right)->line ? -1 : 1;
}

static bool is_same(const struct manifest_item *a, const struct manifest_item *b)
{
    bool same_options = a->options == b->options ||
                        (a->options && b->options && json_equal(a->options, b->options));
    return strcmp(a->url, b->url) == 0 && strcmp(a->sha256, b->sha256) == 0 && same_options;
}

static void leave_out_finished(struct manifest *manifest)
{
    size_t kept = 0;
    manifest->bytes = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        if (!manifest->items[i].url)
            continue;
        manifest->bytes += manifest->items[i].bytes;
        manifest->items[kept++] = manifest->items[i];
    }
    manifest->count = kept;
}

int manifest_join_same(struct manifest *manifest, struct hearken_error *error)
{
    struct manifest_item **sorted = malloc((manifest->count + 1) * sizeof(struct manifest_item *));
    int result = 0;
    size_t first = 0;
    if (!sorted)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < manifest->count; i++)
        sorted[i] = &manifest->items[i];
    qsort(sorted, manifest->count, sizeof(*sorted), compare_ids);
    for (size_t i = 1; i < manifest->count && result == 0; i++) {
        if (strcmp(sorted[i]->id, sorted[first]->id) != 0)
            first = i;
        else if (is_same(sorted[i], sorted[first]))
            manifest_item_finish(sorted[i]);
        else
            result =
                hearken_fail(error, -EEXIST,
                             "%s: line %zu: the id %s is also that of line %zu: expected "
                             "another one for each recording",
                             manifest->path, sorted[i]->line, sorted[i]->id, sorted[first]->line);
    }
    free(sorted);
    leave_out_finished(manifest);
    return result;
}
