// SPDX-License-Identifier: MIT
#include "daemon/settings/settings.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- One setting ---- */

const struct setting *setting_find(const char *section, const char *name)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *setting = &setting_table[i];
        if (strcmp(setting->section, section) == 0 && strcmp(setting->name, name) == 0)
            return setting;
    }
    return NULL;
}

static void *field(const struct setting *setting, struct settings *settings)
{
    return (char *)settings + setting->offset;
}

static const void *const_field(const struct setting *setting, const struct settings *settings)
{
    return (const char *)settings + setting->offset;
}

static void join_words(const struct setting *setting, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "one of:");
    for (size_t i = 0; setting->words[i] && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s %s", i > 0 ? "," : "",
                                   setting->words[i]);
}

void setting_expectation(const struct setting *setting, char *text, size_t size)
{
    switch (setting->type) {
    case SETTING_TEXT:
        snprintf(text, size, "text");
        break;
    case SETTING_STRING:
        snprintf(text, size, "text of at most %.0f bytes", setting->maximum);
        break;
    case SETTING_COUNT:
        snprintf(text, size, "a whole number from %.0f to %.0f", setting->minimum,
                 setting->maximum);
        break;
    case SETTING_MODE:
        snprintf(text, size, "an octal mode from %04o to %04o", (unsigned)setting->minimum,
                 (unsigned)setting->maximum);
        break;
    case SETTING_NUMBER:
        snprintf(text, size, "a number from %.15g to %.15g", setting->minimum, setting->maximum);
        break;
    case SETTING_CHOICE:
        join_words(setting, text, size);
        break;
    case SETTING_SWITCH:
        snprintf(text, size, "on or off");
        break;
    }
}

static int refuse(const struct setting *setting, const char *value, struct hearken_error *error)
{
    char expectation[160];
    setting_expectation(setting, expectation, sizeof(expectation));
    if (error)
        snprintf(error->message, sizeof(error->message), "got %.200s, expected %s",
                 *value != '\0' ? value : "nothing", expectation);
    return -EINVAL;
}

static int assign_text(char **text, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static int assign_string(const struct setting *setting, struct settings *settings,
                         const char *value, struct hearken_error *error)
{
    if (strlen(value) > (size_t)setting->maximum)
        return refuse(setting, value, error);
    strcpy(field(setting, settings), value);
    return 0;
}

static bool in_range(const struct setting *setting, double value)
{
    if (setting->type != SETTING_NUMBER && value != floor(value))
        return false;
    return value >= setting->minimum && value <= setting->maximum;
}

static void store_number(const struct setting *setting, struct settings *settings, double value)
{
    if (setting->type == SETTING_NUMBER)
        *(float *)field(setting, settings) = (float)value;
    else
        *(unsigned *)field(setting, settings) = (unsigned)value;
}

int setting_assign_number(const struct setting *setting, struct settings *settings, double value,
                          struct hearken_error *error)
{
    if (setting->type != SETTING_NUMBER && setting->type != SETTING_COUNT)
        return refuse(setting, "a number", error);
    if (!in_range(setting, value)) {
        char text[40];
        snprintf(text, sizeof(text), "%.15g", value);
        return refuse(setting, text, error);
    }
    store_number(setting, settings, value);
    return 0;
}

/* Plain decimal or octal only: no "inf", "nan" or hexadecimal. */
static int assign_written_number(const struct setting *setting, struct settings *settings,
                                 const char *value, struct hearken_error *error)
{
    bool octal = setting->type == SETTING_MODE;
    const char *allowed = octal ? "01234567" : "+-.0123456789eE";
    if (*value == '\0' || value[strspn(value, allowed)] != '\0')
        return refuse(setting, value, error);
    char *end;
    double number = octal ? (double)strtoul(value, &end, 8) : strtod(value, &end);
    if (*end != '\0' || !in_range(setting, number))
        return refuse(setting, value, error);
    store_number(setting, settings, number);
    return 0;
}

static int assign_choice(const struct setting *setting, struct settings *settings,
                         const char *value, struct hearken_error *error)
{
    for (unsigned i = 0; setting->words[i]; i++) {
        if (strcmp(setting->words[i], value) == 0) {
            *(unsigned *)field(setting, settings) = i;
            return 0;
        }
    }
    return refuse(setting, value, error);
}

static int assign_switch(const struct setting *setting, struct settings *settings,
                         const char *value, struct hearken_error *error)
{
    bool on = strcmp(value, "on") == 0;
    if (!on && strcmp(value, "off") != 0)
        return refuse(setting, value, error);
    *(bool *)field(setting, settings) = on;
    return 0;
}

int setting_assign(const struct setting *setting, struct settings *settings, const char *value,
                   struct hearken_error *error)
{
    int result = 0;
    switch (setting->type) {
    case SETTING_TEXT:
        result = assign_text(field(setting, settings), value);
        if (result < 0 && error)
            snprintf(error->message, sizeof(error->message), "out of memory");
        break;
    case SETTING_STRING:
        result = assign_string(setting, settings, value, error);
        break;
    case SETTING_CHOICE:
        result = assign_choice(setting, settings, value, error);
        break;
    case SETTING_SWITCH:
        result = assign_switch(setting, settings, value, error);
        break;
    case SETTING_COUNT:
    case SETTING_MODE:
    case SETTING_NUMBER:
        result = assign_written_number(setting, settings, value, error);
        break;
    }
    return result;
}

bool setting_equal(const struct setting *setting, const struct settings *a,
                   const struct settings *b)
{
    const void *left = const_field(setting, a);
    const void *right = const_field(setting, b);
    switch (setting->type) {
    case SETTING_TEXT:
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    case SETTING_STRING:
        return strcmp(left, right) == 0;
    case SETTING_NUMBER:
        return *(const float *)left == *(const float *)right;
    case SETTING_SWITCH:
        return *(const bool *)left == *(const bool *)right;
    case SETTING_COUNT:
    case SETTING_MODE:
    case SETTING_CHOICE:
        break;
    }
    return *(const unsigned *)left == *(const unsigned *)right;
}

int setting_copy(const struct setting *setting, struct settings *to, const struct settings *from)
{
    const void *source = const_field(setting, from);
    switch (setting->type) {
    case SETTING_TEXT:
        return assign_text(field(setting, to), *(char *const *)source);
    case SETTING_STRING:
        strcpy(field(setting, to), source);
        break;
    case SETTING_NUMBER:
        *(float *)field(setting, to) = *(const float *)source;
        break;
    case SETTING_SWITCH:
        *(bool *)field(setting, to) = *(const bool *)source;
        break;
    case SETTING_COUNT:
    case SETTING_MODE:
    case SETTING_CHOICE:
        *(unsigned *)field(setting, to) = *(const unsigned *)source;
        break;
    }
    return 0;
}

/* ---- All of them ---- */

int settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    hearken_stream_options_init(&settings->recognition);
    for (size_t i = 0; i < setting_count; i++) {
        int result = setting_assign(&setting_table[i], settings, setting_table[i].standard, NULL);
        if (result < 0) {
            settings_finish(settings);
            return result;
        }
    }
    return 0;
}

void settings_finish(struct settings *settings)
{
    for (size_t i = 0; i < setting_count; i++)
        if (setting_table[i].type == SETTING_TEXT)
            free(*(char **)field(&setting_table[i], settings));
    for (size_t i = 0; i < settings->model_count; i++) {
        free(settings->models[i].name);
        free(settings->models[i].file);
    }
    free(settings->models);
    free(settings->listed_words);
    *settings = (struct settings){0};
}

/* ---- Names that are nearly right ---- */

#define NAME_MAX_LENGTH 40

/* Levenshtein's distance; names too long to be any of ours count as far away. */
static unsigned edit_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > NAME_MAX_LENGTH || columns > NAME_MAX_LENGTH)
        return NAME_MAX_LENGTH;
    unsigned row[NAME_MAX_LENGTH + 1];
    for (unsigned j = 0; j <= columns; j++)
        row[j] = j;
    for (unsigned i = 1; i <= rows; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
            unsigned insert = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replace < insert ? replace : insert;
        }
    }
    return row[columns];
}

const struct setting *setting_suggest(const char *section, const char *name)
{
    const struct setting *best = NULL;
    unsigned best_distance = 4;
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *setting = &setting_table[i];
        unsigned distance = edit_distance(name, setting->name);
        if (distance >= strlen(setting->name))
            continue;
        if (strcmp(section, setting->section) != 0)
            distance++;
        if (distance < best_distance) {
            best_distance = distance;
            best = setting;
        }
    }
    return best;
}
