// SPDX-License-Identifier: MIT
#include "daemon/settings/custom_word_settings.h"

#include "daemon/common/custom_word_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The configuration ---- */

static int check(const char *list, const char *path, struct hearken_error *error)
{
    struct hearken_error reason;
    int count = hearken_custom_words_check(list, &reason);
    if (count < 0)
        return hearken_fail(error, count, "%.300s%s%.180s", path, *path != '\0' ? ": " : "",
                            reason.message);
    return 0;
}

static int load_file(char **list, const char *path, struct hearken_error *error)
{
    struct hearken_error reason;
    int result = custom_word_list_add_file(list, path, &reason);
    if (result == 0)
        result = check(*list, path, &reason);
    return result < 0 ? hearken_fail(error, result, "custom_words_file: %.480s", reason.message)
                      : 0;
}

static int load(struct settings *settings, struct hearken_error *error)
{
    const char *path = settings->custom_words_file;
    char *list = NULL;
    int result = 0;
    if (*path != '\0')
        result = load_file(&list, path, error);
    if (result == 0 && custom_word_list_add_between_commas(&list, settings->custom_words) < 0)
        result = hearken_fail(error, -ENOMEM, "out of memory");
    if (result == 0 && list)
        result = check(list, "", error);
    if (result < 0) {
        free(list);
        return result;
    }
    free(settings->listed_words);
    settings->recognition.custom_words = settings->listed_words = list;
    return 0;
}

int custom_word_settings_load(struct settings *settings, setting_problem_callback *callback,
                              void *context)
{
    struct hearken_error error;
    int result = load(settings, &error);
    if (result < 0 && callback)
        callback(context, error.message);
    return result;
}

int custom_word_settings_copy(struct settings *to, const struct settings *from)
{
    char *list = NULL;
    if (from->listed_words && !(list = strdup(from->listed_words)))
        return -ENOMEM;
    free(to->listed_words);
    to->recognition.custom_words = to->listed_words = list;
    return 0;
}

/* ---- Requests ---- */

/* The first `count` strings of the array. */
static int append_array(char **list, const json_t *words, size_t count)
{
    size_t used = *list ? strlen(*list) : 0, room = used + 1;
    for (size_t i = 0; i < count; i++)
        room += json_string_length(json_array_get(words, i)) + 1;
    char *grown = realloc(*list, room);
    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(words, i);
        memcpy(grown + used, json_string_value(word), json_string_length(word));
        used += json_string_length(word);
        grown[used++] = '\n';
    }
    grown[used] = '\0';
    *list = grown;
    return 0;
}

int custom_word_settings_make(char **list, const json_t *words, struct hearken_error *error)
{
    *list = NULL;
    if (json_array_size(words) == 0)
        return 0;
    int result = append_array(list, words, json_array_size(words));
    if (result < 0)
        return hearken_fail(error, result, "out of memory");
    result = check(*list, "", error);
    if (result < 0) {
        free(*list);
        *list = NULL;
    }
    return result;
}

int custom_word_settings_add_hints(char **list, const json_t *words)
{
    struct hearken_error error;
    int count = *list ? hearken_custom_words_check(*list, &error) : 0;
    json_t *good = json_array();
    size_t index;
    json_t *word;
    json_array_foreach(words, index, word)
    {
        int more = hearken_custom_words_check(json_string_value(word), &error);
        if (more <= 0 || count + more > (int)HEARKEN_CUSTOM_WORDS_MAX)
            continue;
        count += more;
        json_array_append(good, word);
    }
    int result = good ? append_array(list, good, json_array_size(good)) : -ENOMEM;
    json_decref(good);
    return result;
}
