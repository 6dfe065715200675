// SPDX-License-Identifier: MIT
#include "daemon/client/program/stream_settings.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field_type {
    REAL,   /* float */
    WHOLE,  /* unsigned */
    SWITCH, /* bool, written on or off */
    STRING, /* char [maximum + 1] */
    TASK,   /* unsigned: enum hearken_task */
};

/* One field of struct hearken_stream_options. */
struct field {
    const char *name;
    size_t offset;
    enum field_type type;
    double minimum, maximum;
};

#define FIELD(name, type, minimum, maximum)                                                        \
    {                                                                                              \
#name, offsetof(struct hearken_stream_options, name), type, minimum, maximum               \
    }

static const struct field fields[] = {
    FIELD(beam_width, WHOLE, 1, 16),
    FIELD(length_penalty, REAL, 0, 2),
    FIELD(ctc_weight, REAL, 0, 1),
    FIELD(padding, REAL, -1, 30),
    FIELD(segment_seconds, REAL, 2, 28),
    FIELD(no_speech_threshold, REAL, 0, 1),
    FIELD(log_probability_threshold, REAL, -100, 0),
    FIELD(compression_threshold, REAL, 1, 1000),
    FIELD(custom_words_boost, REAL, 0, 10),
    FIELD(partial_seconds, REAL, 0, 28),
    FIELD(partial_share, REAL, 0, 1),
    FIELD(voice, SWITCH, 0, 1),
    FIELD(voice_threshold, REAL, 0.05, 0.95),
    FIELD(pre_roll, REAL, 0, 2),
    FIELD(endpoint_seconds, REAL, 0.1, 10),
    FIELD(endpointing, SWITCH, 0, 1),
    FIELD(language, STRING, 0, HEARKEN_LANGUAGE_SIZE - 1),
    FIELD(task, TASK, HEARKEN_TRANSCRIBE, HEARKEN_TRANSLATE),
    FIELD(timestamps, SWITCH, 0, 1),
    FIELD(previous_text, SWITCH, 0, 1),
    FIELD(prompt, STRING, 0, HEARKEN_PROMPT_SIZE - 1),
    FIELD(suppress_tokens, STRING, 0, HEARKEN_SUPPRESS_SIZE - 1),
    FIELD(suppress_blank, SWITCH, 0, 1),
    FIELD(temperature_step, REAL, 0, 1),
    FIELD(seed, WHOLE, 0, 4294967295.0),
    FIELD(exact, SWITCH, 0, 1),
};

static const char *const tasks[] = {"transcribe", "translate"};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const struct field *find(const char *name, size_t length)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, name, length) == 0)
            return &fields[i];
    return NULL;
}

static int unknown(const char *text, struct hearken_error *error)
{
    const size_t size = sizeof(error->message);
    size_t used =
        (size_t)snprintf(error->message, size, "%.100s: expected name=value with one of:", text);
    for (size_t i = 0; i < FIELD_COUNT && used < size; i++)
        used += (size_t)snprintf(error->message + used, size - used, " %s", fields[i].name);
    return -EINVAL;
}

static void set(struct stream_settings *settings, const char *name, double value, const char *text)
{
    size_t i = 0;
    while (i < settings->count && settings->items[i].name != name)
        i++;
    settings->items[i] = (struct stream_setting){name, value, text};
    if (i == settings->count)
        settings->count++;
}

static bool read_value(const struct field *field, const char *text, double *value)
{
    if (field->type == SWITCH) {
        *value = strcmp(text, "on") == 0;
        return *value > 0 || strcmp(text, "off") == 0;
    }
    if (field->type == STRING)
        return (double)strlen(text) <= field->maximum && utf8_is_valid(text);
    if (field->type == TASK) {
        *value = strcmp(text, tasks[HEARKEN_TRANSLATE]) == 0;
        return *value > 0 || strcmp(text, tasks[HEARKEN_TRANSCRIBE]) == 0;
    }
    char *end;
    *value = strtod(text, &end);
    return end > text && !*end && isfinite(*value) && *value >= field->minimum &&
           *value <= field->maximum && (field->type != WHOLE || *value == floor(*value));
}

static int refuse(const struct field *field, const char *text, struct hearken_error *error)
{
    if (field->type == SWITCH)
        snprintf(error->message, sizeof(error->message), "%.100s: expected on or off", text);
    else if (field->type == STRING)
        snprintf(error->message, sizeof(error->message),
                 "%s: expected at most %g bytes of UTF-8 text", field->name, field->maximum);
    else if (field->type == TASK)
        snprintf(error->message, sizeof(error->message), "%.100s: expected transcribe or translate",
                 text);
    else
        snprintf(error->message, sizeof(error->message), "%.100s: expected a %snumber %g..%g", text,
                 field->type == WHOLE ? "whole " : "", field->minimum, field->maximum);
    return -EINVAL;
}

int stream_settings_add(struct stream_settings *settings, const char *text,
                        struct hearken_error *error)
{
    size_t length = strcspn(text, "=");
    const struct field *field = find(text, length);
    double value = 0;
    if (!field || !text[length])
        return unknown(text, error);
    if (!read_value(field, text + length + 1, &value))
        return refuse(field, text, error);
    bool is_text = field->type == STRING || field->type == TASK;
    set(settings, field->name, value, is_text ? text + length + 1 : NULL);
    return 0;
}

int stream_settings_set_model(struct stream_settings *settings, const char *model,
                              struct hearken_error *error)
{
    if (model && !utf8_is_valid(model))
        return hearken_fail(error, -EINVAL, "%.100s: expected UTF-8 text", model);
    settings->model = model;
    return 0;
}

int stream_settings_add_text(struct stream_settings *settings, const char *name, const char *value,
                             struct hearken_error *error)
{
    const struct field *field = find(name, strlen(name));
    double number = 0;
    if (!read_value(field, value, &number))
        return refuse(field, value, error);
    set(settings, field->name, number, value);
    return 0;
}

void stream_settings_finish(struct stream_settings *settings)
{
    free(settings->words);
    *settings = (struct stream_settings){0};
}

void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options)
{
    options->custom_words = settings->words;
    for (size_t i = 0; i < settings->count; i++) {
        const struct stream_setting *setting = &settings->items[i];
        const struct field *field = find(setting->name, strlen(setting->name));
        void *target = (char *)options + field->offset;
        if (field->type == STRING)
            strcpy(target, setting->text);
        else if (field->type == WHOLE || field->type == TASK)
            *(unsigned *)target = (unsigned)setting->value;
        else if (field->type == SWITCH)
            *(bool *)target = setting->value > 0;
        else
            *(float *)target = (float)setting->value;
    }
}

static json_t *describe(const struct field *field, const struct stream_setting *setting)
{
    if (setting->text)
        return json_string(setting->text);
    if (field->type == SWITCH)
        return json_boolean(setting->value > 0);
    return field->type == WHOLE ? json_integer((json_int_t)setting->value)
                                : json_real(setting->value);
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
        const struct field *field = find(setting->name, strlen(setting->name));
        json_t *value = describe(field, setting);
        if (json_object_set_new(extension, setting->name, value) < 0)
            return -ENOMEM;
    }
    if (settings->words &&
        json_object_set_new(extension, "custom_words", describe_words(settings->words)) < 0)
        return -ENOMEM;
    if (settings->model && json_object_set_new(request, "name", json_string(settings->model)) < 0)
        return -ENOMEM;
    return 0;
}
