// SPDX-License-Identifier: MIT
#include "daemon/http/access_tokens.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ACCESS_TOKEN_HASH == crypto_hash_sha256_BYTES, "the hash is SHA-256");

static const char hash_prefix[] = "sha256:";

/* The line without white space at its ends. */
static char *trim(char *line)
{
    line += strspn(line, " \t\r\n");
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r\n", line[length - 1]))
        length--;
    line[length] = '\0';
    return line;
}

static int read_hash(const char *text, unsigned char hash[ACCESS_TOKEN_HASH])
{
    size_t length;
    const char *end;
    if (sodium_hex2bin(hash, ACCESS_TOKEN_HASH, text, strlen(text), NULL, &length, &end) < 0)
        return -EINVAL;
    return length == ACCESS_TOKEN_HASH && *end == '\0' ? 0 : -EINVAL;
}

static int add_line(struct access_tokens *tokens, const char *text)
{
    unsigned char(*grown)[ACCESS_TOKEN_HASH] =
        realloc(tokens->hashes, (tokens->count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    tokens->hashes = grown;
    if (strncmp(text, hash_prefix, sizeof(hash_prefix) - 1) == 0) {
        if (read_hash(text + sizeof(hash_prefix) - 1, grown[tokens->count]) < 0)
            return -EINVAL;
    } else {
        crypto_hash_sha256(grown[tokens->count], (const unsigned char *)text, strlen(text));
    }
    tokens->count++;
    return 0;
}

static int read_lines(struct access_tokens *tokens, const char *path, FILE *file,
                      struct hearken_error *error)
{
    char *line = NULL;
    size_t size = 0;
    unsigned number = 0;
    int result = 0;
    while (result == 0 && getline(&line, &size, file) >= 0) {
        const char *text = trim(line);
        number++;
        if (*text && *text != '#')
            result = add_line(tokens, text);
    }
    if (result == 0 && ferror(file))
        result = hearken_fail(error, -EIO, "http.tokens_file: %.300s: cannot be read", path);
    else if (result == -ENOMEM)
        hearken_fail(error, result, "http.tokens_file: %.300s: out of memory", path);
    else if (result < 0)
        hearken_fail(error, result,
                     "%.300s:%u: expected a key, or sha256: and 64 hexadecimal digits", path,
                     number);
    else if (tokens->count == 0)
        result = hearken_fail(error, -EINVAL,
                              "http.tokens_file: %.300s: holds no key, expected one a line", path);
    if (line)
        sodium_memzero(line, size);
    free(line);
    return result;
}

int access_tokens_read(struct access_tokens *tokens, const char *path, struct hearken_error *error)
{
    *tokens = (struct access_tokens){0};
    if (*path == '\0')
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return hearken_fail(error, -errno, "http.tokens_file: %.300s: %s", path, strerror(errno));
    int result = read_lines(tokens, path, file, error);
    fclose(file);
    if (result < 0)
        access_tokens_finish(tokens);
    else
        tokens->required = true;
    return result;
}

void access_tokens_finish(struct access_tokens *tokens)
{
    free(tokens->hashes);
    *tokens = (struct access_tokens){0};
}

bool access_tokens_match(const struct access_tokens *tokens, const char *key)
{
    unsigned char hash[ACCESS_TOKEN_HASH];
    bool match = false;
    if (!tokens->required)
        return true;
    if (!key)
        return false;
    crypto_hash_sha256(hash, (const unsigned char *)key, strlen(key));
    for (size_t i = 0; i < tokens->count; i++)
        match |= sodium_memcmp(hash, tokens->hashes[i], sizeof(hash)) == 0;
    return match;
}
