// SPDX-License-Identifier: MIT
#include "daemon/common/custom_word_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger than the longest list that the library accepts. */
#define FILE_BYTES_MAX ((size_t)1 << 20)

int custom_word_list_add(char **list, const char *line, size_t length)
{
    size_t used = *list ? strlen(*list) : 0;
    char *grown = realloc(*list, used + length + 2);
    if (!grown)
        return -ENOMEM;
    memcpy(grown + used, line, length);
    memcpy(grown + used + length, "\n", 2);
    *list = grown;
    return 0;
}

int custom_word_list_add_between_commas(char **list, const char *words)
{
    int result = 0;
    while (result == 0 && *words != '\0') {
        size_t length = strcspn(words, ",");
        result = custom_word_list_add(list, words, length);
        words += length + (words[length] == ',');
    }
    return result;
}

int custom_word_list_add_file(char **list, const char *path, struct hearken_error *error)
{
    int result = -ENOMEM;
    char *text = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    text = malloc(FILE_BYTES_MAX + 1);
    if (!text)
        goto out;
    size_t length = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file))
        result = hearken_fail(error, -EIO, "%s: cannot be read", path);
    else if (length > FILE_BYTES_MAX || memchr(text, '\0', length))
        result =
            hearken_fail(error, -EINVAL, "%s: expected text, one word or phrase per line", path);
    else
        result = custom_word_list_add(list, text, length);
out:
    free(text);
    fclose(file);
    return result == -ENOMEM ? hearken_fail(error, result, "out of memory") : result;
}
