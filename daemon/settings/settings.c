// SPDX-License-Identifier: MIT
#include "daemon/settings/settings.h"

#include "daemon/common/custom_word_list.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- One setting ---- */

bool setting_find(const char *section, const char *name, struct setting *setting)
{
    for (size_t i = 0; setting_at(i, setting); i++)
        if (strcmp(setting->section, section) == 0 && strcmp(setting->name, name) == 0)
            return true;
    return false;
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
        snprintf(text, size, "UTF-8 text of at most %.0f bytes", setting->maximum);
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
    if (strlen(value) > (size_t)setting->maximum || !utf8_is_valid(value))
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

/* ---- [model NAME] ---- */

#define MODEL_PREFIX "model "

const char *settings_model_name(const char *section)
{
    if (strncmp(section, MODEL_PREFIX, strlen(MODEL_PREFIX)) != 0)
        return NULL;
    return section + strlen(MODEL_PREFIX) + strspn(section + strlen(MODEL_PREFIX), " \t");
}

static int check_model_name(const char *name, struct hearken_error *error)
{
    size_t length = strlen(name);
    if (length == 0 || length > SETTINGS_NAME_MAX)
        return hearken_fail(error, -EINVAL,
                            "[model NAME]: the name has %zu bytes, expected 1 to %d", length,
                            SETTINGS_NAME_MAX);
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == ',' || *c == 0x7f)
            return hearken_fail(error, -EINVAL,
                                "[model NAME]: the name has a comma or a control character");
    return 0;
}

static struct named_model *find_model(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->model_count; i++)
        if (strcmp(settings->models[i].name, name) == 0)
            return &settings->models[i];
    return NULL;
}

static int add_model(struct settings *settings, const char *name, struct named_model **added,
                     struct hearken_error *error)
{
    if (settings->model_count == SETTINGS_MODELS_MAX)
        return hearken_fail(error, -EINVAL, "more than %d models", SETTINGS_MODELS_MAX);
    struct named_model *grown =
        realloc(settings->models, (settings->model_count + 1) * sizeof(*grown));
    if (!grown)
        return hearken_fail(error, -ENOMEM, "out of memory");
    settings->models = grown;
    struct named_model *model = &grown[settings->model_count];
    *model = (struct named_model){strdup(name), strdup("")};
    if (!model->name || !model->file) {
        free(model->name);
        free(model->file);
        return hearken_fail(error, -ENOMEM, "out of memory");
    }
    settings->model_count++;
    *added = model;
    return 0;
}

int settings_assign_model(struct settings *settings, const char *model, const char *name,
                          const char *value, struct hearken_error *error)
{
    if (check_model_name(model, error) < 0)
        return -EINVAL;
    if (strcmp(name, "file") != 0)
        return hearken_fail(error, -EINVAL, "no such setting in section [model %s], expected file",
                            model);
    if (*value == '\0')
        return hearken_fail(error, -EINVAL, "got nothing, expected a model file");
    struct named_model *named = find_model(settings, model);
    int result = !named ? add_model(settings, model, &named, error) : 0;
    if (result < 0)
        return result;
    char *copy = strdup(value);
    if (!copy)
        return hearken_fail(error, -ENOMEM, "out of memory");
    free(named->file);
    named->file = copy;
    return 0;
}

/* ---- Custom words ---- */

static int check_words(const char *list, const char *path, struct hearken_error *error)
{
    struct hearken_error reason;
    int count = hearken_custom_words_check(list, &reason);
    if (count < 0)
        return hearken_fail(error, count, "%.300s%s%.180s", path, *path != '\0' ? ": " : "",
                            reason.message);
    return 0;
}

static int load_word_file(char **list, const char *path, struct hearken_error *error)
{
    struct hearken_error reason;
    int result = custom_word_list_add_file(list, path, &reason);
    if (result == 0)
        result = check_words(*list, path, &reason);
    return result < 0 ? hearken_fail(error, result, "custom_words_file: %.480s", reason.message)
                      : 0;
}

static int load_words(struct settings *settings, struct hearken_error *error)
{
    const char *path = settings->custom_words_file;
    char *list = NULL;
    int result = 0;
    if (*path != '\0')
        result = load_word_file(&list, path, error);
    if (result == 0 && custom_word_list_add_between_commas(&list, settings->custom_words) < 0)
        result = hearken_fail(error, -ENOMEM, "out of memory");
    if (result == 0 && list)
        result = check_words(list, "", error);
    if (result < 0) {
        free(list);
        return result;
    }
    free(settings->listed_words);
    settings->recognition.custom_words = settings->listed_words = list;
    return 0;
}

int settings_load_custom_words(struct settings *settings, setting_problem_callback *callback,
                               void *context)
{
    struct hearken_error error;
    int result = load_words(settings, &error);
    if (result < 0 && callback)
        callback(context, error.message);
    return result;
}

static int copy_words(struct settings *to, const struct settings *from)
{
    char *list = NULL;
    if (from->listed_words && !(list = strdup(from->listed_words)))
        return -ENOMEM;
    free(to->listed_words);
    to->recognition.custom_words = to->listed_words = list;
    return 0;
}

/* ---- All of it ---- */

int settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    hearken_stream_options_init(&settings->recognition);
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        int result = setting_assign(&setting, settings, setting.standard, NULL);
        if (result < 0) {
            settings_finish(settings);
            return result;
        }
    }
    return 0;
}

void settings_finish(struct settings *settings)
{
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++)
        if (setting.type == SETTING_TEXT)
            free(*(char **)field(&setting, settings));
    for (size_t i = 0; i < settings->model_count; i++) {
        free(settings->models[i].name);
        free(settings->models[i].file);
    }
    free(settings->models);
    free(settings->listed_words);
    *settings = (struct settings){0};
}

int settings_copy(struct settings *to, const struct settings *from)
{
    struct hearken_error error;
    struct setting setting;
    int result = 0;
    hearken_stream_options_init(&to->recognition);
    for (size_t i = 0; result == 0 && setting_at(i, &setting); i++)
        result = setting_copy(&setting, to, from);
    for (size_t i = 0; i < from->model_count && result == 0; i++)
        result =
            settings_assign_model(to, from->models[i].name, "file", from->models[i].file, &error);
    if (result == 0)
        result = copy_words(to, from);
    if (result == 0)
        return 0;
    settings_finish(to);
    return -ENOMEM;
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

bool setting_suggest(const char *section, const char *name, struct setting *nearest)
{
    const unsigned too_far = 4;
    unsigned best_distance = too_far;
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        unsigned distance = edit_distance(name, setting.name);
        if (distance >= strlen(setting.name))
            continue;
        if (strcmp(section, setting.section) != 0)
            distance++;
        if (distance < best_distance) {
            best_distance = distance;
            *nearest = setting;
        }
    }
    return best_distance < too_far;
}
