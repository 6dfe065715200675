// SPDX-License-Identifier: MIT
#include "daemon/client/program/stream_settings.h"

#include "daemon/common/custom_word_list.h"
#include "daemon/common/json_text.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- One setting ---- */

static bool read_number(const struct hearken_option *option, const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    bool plain = *text && !text[strspn(text, "+-.0123456789eE")]; /* strtod also takes "inf" */
    return plain && !*end && *value >= option->minimum && *value <= option->maximum &&
           (option->type != HEARKEN_OPTION_COUNT || *value == floor(*value));
}

static bool read_choice(const struct hearken_option *option, const char *text, double *value)
{
    for (size_t i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *value = (double)i;
            return true;
        }
    }
    return false;
}

/* False: the text is no value of the option. */
static bool read_value(const struct hearken_option *option, const char *text, double *value)
{
    switch (option->type) {
    case HEARKEN_OPTION_SWITCH:
        *value = strcmp(text, "on") == 0;
        return *value > 0 || strcmp(text, "off") == 0;
    case HEARKEN_OPTION_TEXT:
        return strlen(text) < option->size && utf8_is_valid(text);
    case HEARKEN_OPTION_CHOICE:
        return read_choice(option, text, value);
    case HEARKEN_OPTION_NUMBER:
    case HEARKEN_OPTION_COUNT:
        break;
    }
    return read_number(option, text, value);
}

/* "transcribe or translate". */
static void list_choices(const struct hearken_option *option, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; option->choices[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i == 0                   ? ""
                                 : option->choices[i + 1] ? ", "
                                                          : " or ",
                                 option->choices[i]);
}

static int refuse(const struct hearken_option *option, const char *text,
                  struct hearken_error *error)
{
    char choices[200] = "";
    switch (option->type) {
    case HEARKEN_OPTION_SWITCH:
        return hearken_fail(error, -EINVAL, "%.100s: expected on or off", text);
    case HEARKEN_OPTION_TEXT:
        return hearken_fail(error, -EINVAL, "%s: expected at most %zu bytes of UTF-8 text",
                            option->name, option->size - 1);
    case HEARKEN_OPTION_CHOICE:
        list_choices(option, choices, sizeof(choices));
        return hearken_fail(error, -EINVAL, "%.100s: expected %s", text, choices);
    case HEARKEN_OPTION_NUMBER:
    case HEARKEN_OPTION_COUNT:
        break;
    }
    return hearken_fail(error, -EINVAL, "%.100s: expected a %snumber %.15g..%.15g", text,
                        option->type == HEARKEN_OPTION_COUNT ? "whole " : "", option->minimum,
                        option->maximum);
}

static int unknown(const char *text, struct hearken_error *error)
{
    const size_t size = sizeof(error->message);
    const struct hearken_option *option;
    size_t used =
        (size_t)snprintf(error->message, size, "%.60s: expected name=value with one of:", text);
    for (size_t i = 0; (option = hearken_stream_option(i)) && used < size; i++)
        used += (size_t)snprintf(error->message + used, size - used, " %s", option->name);
    return -EINVAL;
}

/* Takes `value` for the option. `given`: what the user wrote, which a refusal quotes. */
static int set(struct stream_settings *settings, const struct hearken_option *option,
               const char *value, const char *given, struct hearken_error *error)
{
    bool is_text = option->type == HEARKEN_OPTION_TEXT || option->type == HEARKEN_OPTION_CHOICE;
    struct stream_setting setting = {.option = option, .text = is_text ? value : NULL};
    if (!read_value(option, value, &setting.value))
        return refuse(option, given, error);
    size_t i = 0;
    while (i < settings->count && settings->items[i].option != option)
        i++;
    if (i == STREAM_SETTINGS_MAX)
        return hearken_fail(error, -EINVAL, "%.100s: too many settings", given);
    settings->items[i] = setting;
    if (i == settings->count)
        settings->count++;
    return 0;
}

/* Of "name=value"; a later one replaces an earlier one of the same name. */
static int set_assignment(struct stream_settings *settings, const char *text,
                          struct hearken_error *error)
{
    size_t length = strcspn(text, "=");
    const struct hearken_option *option = hearken_stream_option_find(text, length);
    if (!option || !text[length])
        return unknown(text, error);
    return set(settings, option, text + length + 1, text, error);
}

/* Of an option that has one of the command line to itself; NULL: not given. */
static int set_named(struct stream_settings *settings, const char *name, const char *value,
                     struct hearken_error *error)
{
    return value
               ? set(settings, hearken_stream_option_find(name, strlen(name)), value, value, error)
               : 0;
}

static int check_words(const struct stream_settings *settings, struct hearken_error *error)
{
    int count = settings->words ? hearken_custom_words_check(settings->words, error) : 0;
    return count < 0 ? count : 0;
}

static int add_words(struct stream_settings *settings, const char *words,
                     struct hearken_error *error)
{
    if (custom_word_list_add_between_commas(&settings->words, words) < 0)
        return hearken_fail(error, -ENOMEM, "out of memory");
    return check_words(settings, error);
}

static int add_word_file(struct stream_settings *settings, const char *path,
                         struct hearken_error *error)
{
    char *words = NULL;
    struct hearken_error reason;
    int result = custom_word_list_add_file(&words, path, error);
    if (result == 0 && hearken_custom_words_check(words, &reason) < 0) /* lines of this file */
        result = hearken_fail(error, -EINVAL, "%s: %s", path, reason.message);
    if (result == 0 && custom_word_list_add(&settings->words, words, strlen(words)) < 0)
        result = hearken_fail(error, -ENOMEM, "out of memory");
    free(words);
    return result < 0 ? result : check_words(settings, error);
}

/* ---- All of them ---- */

int stream_settings_read(struct stream_settings *settings, const struct stream_arguments *arguments,
                         const struct command *command, bool local)
{
    struct hearken_error error;
    for (size_t i = 0; i < arguments->settings.count; i++)
        if (set_assignment(settings, arguments->settings.items[i], &error) < 0)
            return usage_error(command, "--set %s", error.message);
    for (size_t i = 0; i < arguments->words.count; i++)
        if (add_words(settings, arguments->words.items[i], &error) < 0)
            return usage_error(command, "--custom-words: %s", error.message);
    for (size_t i = 0; i < arguments->word_files.count; i++)
        if (!*arguments->word_files.items[i])
            return usage_error(command,
                               "--custom-words-file: expected FILE, got an empty argument");
        else if (add_word_file(settings, arguments->word_files.items[i], &error) < 0)
            return usage_error(command, "--custom-words-file: %s", error.message);
    if (set_named(settings, "beam_width", arguments->beam, &error) < 0)
        return usage_error(command, "--beam %s", error.message);
    if (set_named(settings, "language", arguments->language, &error) < 0)
        return usage_error(command, "--%s", error.message);
    if (set_named(settings, "prompt", arguments->prompt, &error) < 0)
        return usage_error(command, "--%s", error.message);
    if (set_named(settings, "channels", arguments->channels, &error) < 0)
        return usage_error(command, "--channels %s", error.message);
    if (set_named(settings, "task", arguments->translate ? "translate" : NULL, &error) < 0)
        return usage_error(command, "--translate: %s", error.message);
    if (!local && arguments->model && !utf8_is_valid(arguments->model))
        return usage_error(command, "--model %.100s: expected UTF-8 text", arguments->model);
    settings->model = local ? NULL : arguments->model;
    return EXIT_GOOD;
}

int stream_settings_copy(const struct stream_settings *from, struct stream_settings *to)
{
    *to = *from;
    to->words = from->words ? strdup(from->words) : NULL;
    return from->words && !to->words ? -ENOMEM : 0;
}

void stream_settings_finish(struct stream_settings *settings)
{
    free(settings->words);
    *settings = (struct stream_settings){0};
}

unsigned stream_settings_channels(const struct stream_settings *settings)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    stream_settings_apply(settings, &options);
    return options.channels;
}

void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options)
{
    options->custom_words = settings->words;
    for (size_t i = 0; i < settings->count; i++) {
        const struct stream_setting *setting = &settings->items[i];
        void *member = (char *)options + setting->option->offset;
        switch (setting->option->type) {
        case HEARKEN_OPTION_TEXT:
            strcpy(member, setting->text);
            break;
        case HEARKEN_OPTION_COUNT:
        case HEARKEN_OPTION_CHOICE:
            *(unsigned *)member = (unsigned)setting->value;
            break;
        case HEARKEN_OPTION_SWITCH:
            *(bool *)member = setting->value > 0;
            break;
        case HEARKEN_OPTION_NUMBER:
            *(float *)member = (float)setting->value;
            break;
        }
    }
}

/* ---- As JSON ---- */

static json_t *describe(const struct stream_setting *setting)
{
    switch (setting->option->type) {
    case HEARKEN_OPTION_TEXT:
    case HEARKEN_OPTION_CHOICE:
        return json_string(setting->text);
    case HEARKEN_OPTION_SWITCH:
        return json_boolean(setting->value > 0);
    case HEARKEN_OPTION_COUNT:
        return json_integer((json_int_t)setting->value);
    case HEARKEN_OPTION_NUMBER:
        break;
    }
    return json_real(setting->value);
}

/* A text of lines as a list of them. */
static json_t *describe_words(const char *words)
{
    json_t *list = json_array();
    int result = 0;
    while (result == 0 && *words) {
        size_t length = strcspn(words, "\n");
        if (length > 0)
            result = json_array_append_new(list, json_stringn(words, length));
        words += length + (words[length] == '\n');
    }
    if (result == 0)
        return list;
    json_decref(list);
    return NULL;
}

int stream_settings_describe(const struct stream_settings *settings, json_t *request)
{
    json_t *extension = json_object_get(request, "hearken");
    for (size_t i = 0; i < settings->count; i++) {
        const struct stream_setting *setting = &settings->items[i];
        if (json_object_set_new(extension, setting->option->name, describe(setting)) < 0)
            return -ENOMEM;
    }
    if (settings->words &&
        json_object_set_new(extension, "custom_words", describe_words(settings->words)) < 0)
        return -ENOMEM;
    if (settings->model && json_object_set_new(request, "name", json_string(settings->model)) < 0)
        return -ENOMEM;
    return 0;
}

static int add_json_words(struct stream_settings *settings, const json_t *list,
                          struct hearken_error *error)
{
    free(settings->words);
    settings->words = NULL;
    if (!json_is_array(list))
        return hearken_fail(error, -EINVAL, "custom_words is %s, expected a list of texts",
                            json_type_name(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *word = json_array_get(list, i);
        if (!json_is_string(word))
            return hearken_fail(error, -EINVAL, "custom_words has %s, expected texts",
                                json_type_name(word));
        if (custom_word_list_add(&settings->words, json_string_value(word),
                                 json_string_length(word)) < 0)
            return hearken_fail(error, -ENOMEM, "out of memory");
    }
    return check_words(settings, error);
}

int stream_settings_add_json(struct stream_settings *settings, const json_t *object,
                             struct hearken_error *error)
{
    const char *name;
    json_t *value;
    int result = 0;
    json_object_foreach((json_t *)object, name, value)
    {
        char text[64], given[200];
        const char *written = json_is_string(value) ? json_string_value(value) : text;
        const struct hearken_option *option = hearken_stream_option_find(name, strlen(name));
        if (strcmp(name, "custom_words") == 0)
            result = add_json_words(settings, value, error);
        else if (!option)
            result = unknown(name, error);
        else if (json_is_number(value))
            snprintf(text, sizeof(text), "%.15g", json_number_value(value));
        else if (json_is_boolean(value))
            strcpy(text, json_is_true(value) ? "on" : "off");
        else if (!json_is_string(value))
            result = hearken_fail(error, -EINVAL, "%s is %s, expected %s", name,
                                  json_type_name(value), option->standard_text);
        if (result == 0 && option) {
            bool is_text = option->type == HEARKEN_OPTION_TEXT;
            snprintf(given, sizeof(given), "%s=%.100s", name, written);
            if (is_text && !json_is_string(value))
                result = hearken_fail(error, -EINVAL, "%s: expected a text", given);
            else
                result = set(settings, option, written, given, error);
        }
        if (result < 0)
            return result;
    }
    return 0;
}
