// SPDX-License-Identifier: MIT
#include "daemon/settings/custom_word_settings.h"
#include "daemon/settings/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "model "

/* ---- [model NAME] ---- */

const char *settings_model_name(const char *section)
{
    if (strncmp(section, PREFIX, strlen(PREFIX)) != 0)
        return NULL;
    return section + strlen(PREFIX) + strspn(section + strlen(PREFIX), " \t");
}

static int check_name(const char *name, struct hearken_error *error)
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

static struct named_model *find(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->model_count; i++)
        if (strcmp(settings->models[i].name, name) == 0)
            return &settings->models[i];
    return NULL;
}

static int add(struct settings *settings, const char *name, struct named_model **added,
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
    if (check_name(model, error) < 0)
        return -EINVAL;
    if (strcmp(name, "file") != 0)
        return hearken_fail(error, -EINVAL, "no such setting in section [model %s], expected file",
                            model);
    if (*value == '\0')
        return hearken_fail(error, -EINVAL, "got nothing, expected a model file");
    struct named_model *named = find(settings, model);
    int result = !named ? add(settings, model, &named, error) : 0;
    if (result < 0)
        return result;
    char *copy = strdup(value);
    if (!copy)
        return hearken_fail(error, -ENOMEM, "out of memory");
    free(named->file);
    named->file = copy;
    return 0;
}

/* ---- All of it ---- */

int settings_copy(struct settings *to, const struct settings *from)
{
    struct hearken_error error;
    int result = 0;
    for (size_t i = 0; i < setting_count && result == 0; i++)
        result = setting_copy(&setting_table[i], to, from);
    for (size_t i = 0; i < from->model_count && result == 0; i++)
        result =
            settings_assign_model(to, from->models[i].name, "file", from->models[i].file, &error);
    if (result == 0)
        result = custom_word_settings_copy(to, from);
    if (result == 0)
        return 0;
    settings_finish(to);
    return -ENOMEM;
}
