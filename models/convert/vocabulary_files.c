// SPDX-License-Identifier: MIT
#include "models/convert/vocabulary_files.h"

#include "models/convert/json_lists.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The tokens' names by number, while they are collected. */
struct numbered {
    const char **names; /* [count], in the JSON trees */
    uint32_t count;
    const char *path;
    struct hearken_error *error;
};

static int put_name(struct numbered *n, const char *name, const json_t *id)
{
    json_int_t number = json_is_integer(id) ? json_integer_value(id) : -1;
    if (number < 0 || number >= (json_int_t)n->count)
        return hearken_fail(n->error, -EINVAL,
                            "%s: token '%.80s' has no number below the %" PRIu32
                            " of the embedding",
                            n->path, name, n->count);
    const char *other = n->names[number];
    if (other && strcmp(other, name) != 0)
        return hearken_fail(n->error, -EINVAL, "%s: '%.80s' and '%.80s' both have number %lld",
                            n->path, other, name, (long long)number);
    n->names[number] = name;
    return 0;
}

/* {"name": number, ...} */
static int put_object(struct numbered *n, const json_t *object)
{
    const char *name;
    json_t *id;
    int result = 0;
    if (!json_is_object(object))
        return hearken_fail(n->error, -EINVAL,
                            "%s: no object with tokens as names and numbers as values", n->path);
    json_object_foreach((json_t *)(uintptr_t)object, name,
                        id) if ((result = put_name(n, name, id)) < 0) return result;
    return 0;
}

/* tokenizer.json's [{"id": number, "content": "name"}, ...]; may be absent. */
static int put_added(struct numbered *n, const json_t *array)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < json_array_size(array); i++) {
        const json_t *token = json_array_get(array, i);
        const char *name = json_string_value(json_object_get(token, "content"));
        result = name ? put_name(n, name, json_object_get(token, "id"))
                      : hearken_fail(n->error, -EINVAL, "%s: added_tokens[%zu] has no content",
                                     n->path, i);
    }
    return result;
}

/* Old files lack the timestamps. */
static int take_names(struct tokens *tokens, const struct numbered *n)
{
    uint32_t filled = n->count;
    int result = 0;
    while (filled > 0 && !n->names[filled - 1])
        filled--;
    for (uint32_t i = 0; result == 0 && i < filled; i++)
        result = n->names[i] ? tokens_add(tokens, n->names[i], n->error)
                             : hearken_fail(n->error, -EINVAL, "%s: there is no token %" PRIu32,
                                            n->path, i);
    if (result == 0 && filled + TIME_TOKENS == n->count)
        result = tokens_add_times(tokens, n->error);
    return result;
}

/* Reads added_tokens.json beside a vocab.json; NULL if it does not exist. */
static int read_added(const char *path, json_t **added, struct hearken_error *error)
{
    char beside[MAX_PATH];
    const char *slash = strrchr(path, '/');
    int length = snprintf(beside, sizeof(beside), "%.*sadded_tokens.json",
                          slash ? (int)(slash - path + 1) : 0, path);
    if (length < 0 || (size_t)length >= sizeof(beside) || access(beside, F_OK) != 0)
        return 0;
    return json_file_read(beside, added, error);
}

static int read_object(struct tokens *tokens, const json_t *root, const char *path, uint32_t count,
                       struct hearken_error *error)
{
    struct numbered n = {calloc(count + 1, sizeof(*n.names)), count, path, error};
    const json_t *model = json_object_get(root, "model");
    json_t *added = NULL;
    int result = 0;
    if (!n.names)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (json_is_object(model)) {
        result = put_object(&n, json_object_get(model, "vocab"));
        if (result == 0)
            result = put_added(&n, json_object_get(root, "added_tokens"));
    } else if ((result = put_object(&n, root)) == 0 &&
               (result = read_added(path, &added, error)) == 0 && added) {
        result = put_object(&n, added);
    }
    if (result == 0)
        result = take_names(tokens, &n);
    json_decref(added);
    free(n.names);
    return result;
}

static int read_json(struct tokens *tokens, const char *path, uint32_t count,
                     struct hearken_error *error)
{
    json_t *root;
    int result = json_file_read(path, &root, error);
    if (result < 0)
        return result;
    if (!json_is_array(root))
        result = read_object(tokens, root, path, count, error);
    for (size_t i = 0; result == 0 && i < json_array_size(root); i++) {
        const char *name = json_string_value(json_array_get(root, i));
        result = name ? tokens_add(tokens, name, error)
                      : hearken_fail(error, -EINVAL, "%s: element %zu is not a string", path, i);
    }
    json_decref(root);
    return result;
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* Decodes base64 in place, up to a space. Returns the number of bytes, or -1 if it is invalid. */
static ptrdiff_t decode_base64(char *text, size_t length)
{
    uint32_t bits = 0, have = 0;
    size_t size = 0;
    for (size_t i = 0; i < length && text[i] != '='; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            text[size++] = (char)(bits >> have & 255);
        }
    }
    return (ptrdiff_t)size;
}

/* "IQ== 0": the bytes of a token and its number; false for any other line. */
static bool is_rank(const char *line, uint32_t number)
{
    const char *space = strchr(line, ' ');
    char *end;
    if (!space)
        return false;
    unsigned long found = strtoul(space + 1, &end, 10);
    return end != space + 1 && *end == 0 && found == number;
}

static int add_line(struct tokens *tokens, char *line, const char *path, bool ranks,
                    struct hearken_error *error)
{
    if (!ranks)
        return tokens_add(tokens, line, error);
    ptrdiff_t size = -1;
    if (is_rank(line, tokens->count))
        size = decode_base64(line, (size_t)(strchr(line, ' ') - line));
    if (size >= 0)
        return tokens_add_bytes(tokens, (const uint8_t *)line, (size_t)size, error);
    return hearken_fail(error, -EINVAL,
                        "%s:%" PRIu32 ": '%.60s' is not a token in base64 and its number %" PRIu32,
                        path, tokens->count + 1, line, tokens->count);
}

/* One token a line: as text, or in OpenAI's tiktoken format, which the first line shows. */
static int read_lines(struct tokens *tokens, FILE *file, const char *path,
                      struct hearken_error *error)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int result = 0;
    bool ranks = false;
    while (result == 0 && (length = getline(&line, &room, file)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = 0;
        if (tokens->count == 0)
            ranks = is_rank(line, 0);
        result = add_line(tokens, line, path, ranks, error);
    }
    if (result == 0 && !feof(file)) /* also without memory for a line */
        result = hearken_fail(error, errno ? -errno : -EIO, "%s: %s", path,
                              strerror(errno ? errno : EIO));
    free(line);
    return result;
}

/* Finds the file: `path` itself, or in a directory the first of these names. */
static int find_file(const char *path, char *found, struct hearken_error *error)
{
    static const char *const names[] = {
        "vocabulary.json", "vocabulary.txt",        "tokenizer.json",
        "vocab.json",      "multilingual.tiktoken", "gpt2.tiktoken",
    };
    struct stat status;
    if (stat(path, &status) < 0)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode)) {
        int length = snprintf(found, MAX_PATH, "%s", path);
        return length >= 0 && (unsigned)length < MAX_PATH
                   ? 0
                   : hearken_fail(error, -ENAMETOOLONG, "%.80s...: the path is too long", path);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int result = config_path(found, path, names[i], error);
        if (result < 0 || access(found, F_OK) == 0)
            return result;
    }
    return hearken_fail(error, -ENOENT,
                        "%s: no vocabulary in it, expected vocabulary.json, vocabulary.txt, "
                        "tokenizer.json, vocab.json, multilingual.tiktoken or gpt2.tiktoken "
                        "(--vocabulary FILE)",
                        path);
}

/* Whether the vocabulary has no special tokens, except perhaps the first of them at its end. */
static bool ends_in_text(struct tokens *tokens)
{
    const char *last = tokens->count ? tokens->names[tokens->count - 1] : "<||>";
    if (strcmp(last, "<|endoftext|>") == 0)
        free(tokens->names[--tokens->count]);
    else if (strncmp(last, "<|", 2) == 0)
        return false;
    return true;
}

int vocabulary_files_read(struct tokens *tokens, const char *path, uint32_t count,
                          struct hearken_error *error)
{
    char found[MAX_PATH];
    int result = find_file(path, found, error);
    if (result < 0)
        return result;
    FILE *file = fopen(found, "re");
    if (!file)
        return hearken_fail(error, -errno, "%s: %s", found, strerror(errno));
    int first =
        fgetc(file); /* of lines it is never '{' or '[', since Whisper's first token is "!" */
    rewind(file);
    result = first == '{' || first == '[' ? read_json(tokens, found, count, error)
                                          : read_lines(tokens, file, found, error);
    fclose(file);
    if (result == 0 && ends_in_text(tokens))
        result = tokens_add_special(tokens, count, error);
    return result < 0 ? result : tokens_index(tokens, error);
}
