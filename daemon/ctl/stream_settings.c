// SPDX-License-Identifier: MIT
#include "stream_settings.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One field of struct hearken_stream_options. */
struct field {
    const char *name;
    size_t offset;
    bool whole; /* unsigned, else float */
    double minimum, maximum;
};

#define FIELD(name, whole, minimum, maximum)                                                       \
    {                                                                                              \
#name, offsetof(struct hearken_stream_options, name), whole, minimum, maximum              \
    }

static const struct field fields[] = {
    FIELD(beam_width, true, 1, 16),
    FIELD(length_penalty, false, 0, 2),
    FIELD(ctc_weight, false, 0, 1),
    FIELD(padding, false, 0, 30),
    FIELD(segment_seconds, false, 2, 28),
    FIELD(no_speech_threshold, false, 0, 1),
    FIELD(log_probability_threshold, false, -100, 0),
    FIELD(compression_threshold, false, 1, 1000),
};

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
    int used = snprintf(error->message, sizeof(error->message),
                        "%.100s: expected name=value with one of:", text);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        used += snprintf(error->message + used, sizeof(error->message) - (size_t)used, " %s",
                         fields[i].name);
    return -EINVAL;
}

static void set(struct stream_settings *settings, const char *name, double value)
{
    size_t i = 0;
    while (i < settings->count && settings->items[i].name != name)
        i++;
    settings->items[i] = (struct stream_setting){name, value};
    if (i == settings->count)
        settings->count++;
}

int stream_settings_add(struct stream_settings *settings, const char *text,
                        struct hearken_error *error)
{
    size_t length = strcspn(text, "=");
    const struct field *field = find(text, length);
    if (!field || !text[length])
        return unknown(text, error);
    char *end;
    const char *digits = text + length + 1;
    double value = strtod(digits, &end);
    bool number = end > digits && !*end && isfinite(value);
    if (!number || value < field->minimum || value > field->maximum ||
        (field->whole && value != floor(value))) {
        snprintf(error->message, sizeof(error->message), "%.100s: expected a %snumber %g..%g", text,
                 field->whole ? "whole " : "", field->minimum, field->maximum);
        return -EINVAL;
    }
    set(settings, field->name, value);
    return 0;
}

void stream_settings_apply(const struct stream_settings *settings,
                           struct hearken_stream_options *options)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct stream_setting *setting = &settings->items[i];
        const struct field *field = find(setting->name, strlen(setting->name));
        void *target = (char *)options + field->offset;
        if (field->whole)
            *(unsigned *)target = (unsigned)setting->value;
        else
            *(float *)target = (float)setting->value;
    }
}

int stream_settings_describe(const struct stream_settings *settings, json_t *extension)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct stream_setting *setting = &settings->items[i];
        const struct field *field = find(setting->name, strlen(setting->name));
        json_t *value =
            field->whole ? json_integer((json_int_t)setting->value) : json_real(setting->value);
        if (json_object_set_new(extension, setting->name, value) < 0)
            return -ENOMEM;
    }
    return 0;
}
