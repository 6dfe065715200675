// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream_settings.h"

/* Of a file: more than the longest list that is taken. */
#define FILE_BYTES_MAX ((size_t)1 << 20)

static int append(struct stream_settings *settings, const char *text, size_t length,
                  struct hearken_error *error)
{
    size_t used = settings->words ? strlen(settings->words) : 0;
    char *grown = realloc(settings->words, used + length + 2);
    if (!grown)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    memcpy(grown + used, text, length);
    memcpy(grown + used + length, "\n", 2);
    settings->words = grown;
    return 0;
}

static int check(const struct stream_settings *settings, struct hearken_error *error)
{
    int count = hearken_custom_words_check(settings->words, error);
    return count < 0 ? count : 0;
}

int stream_settings_add_words(struct stream_settings *settings, const char *words,
                              struct hearken_error *error)
{
    int result = 0;
    do {
        size_t length = strcspn(words, ",");
        result = append(settings, words, length, error);
        words += length;
    } while (result == 0 && *words++);
    return result < 0 ? result : check(settings, error);
}

int stream_settings_add_word_file(struct stream_settings *settings, const char *path,
                                  struct hearken_error *error)
{
    int result = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    if (!text)
        result = hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    else if (ferror(file))
        result = hearken_fail(error, -EIO, "%s: cannot be read", path);
    else if (length > FILE_BYTES_MAX || memchr(text, 0, length))
        result = hearken_fail(error, -EINVAL, "%s: expected text, a word or phrase a line", path);
    if (result == 0)
        result = append(settings, text, length, error);
    free(text);
    fclose(file);
    return result < 0 ? result : check(settings, error);
}
