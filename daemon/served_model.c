// SPDX-License-Identifier: MIT
#include "served_model.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Which file ---- */

static char *chosen_file(const struct settings *settings)
{
    char path[PATH_MAX];
    if (*settings->model_file != '\0')
        return strdup(settings->model_file);
    return hearken_default_model(path, sizeof path) != NULL ? strdup(path) : NULL;
}

/* ---- What the file says of itself ---- */

static char *copy_value(const char *value)
{
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
        return strndup(value + 1, length - 2);
    return strdup(value);
}

/* Takes the codes out of a list as text, however it is punctuated. */
static void note_languages(struct served_model *model, const char *value)
{
    while (*value != '\0') {
        size_t length = 0;
        while (isalnum((unsigned char)value[length]) || value[length] == '-')
            length++;
        if (length >= 2 && length <= 20)
            json_array_append_new(model->languages, json_stringn(value, length));
        value += length > 0 ? length : 1;
    }
}

static void note_item(void *context, const struct hearken_model_item *item)
{
    struct served_model *model = context;
    if (item->shape != NULL || item->value == NULL)
        return;
    char **text = NULL;
    if (strcmp(item->name, "general.version") == 0)
        text = &model->version;
    else if (strcmp(item->name, "general.author") == 0)
        text = &model->author;
    else if (strcmp(item->name, "general.url") == 0)
        text = &model->url;
    else if (strcmp(item->name, "general.languages") == 0)
        note_languages(model, item->value);
    if (text != NULL && *text == NULL)
        *text = copy_value(item->value);
}

static int read_facts(struct served_model *model, struct hearken_error *error)
{
    model->languages = json_array();
    if (model->languages == NULL)
        return -ENOMEM;
    int status = hearken_model_inspect(model->file, note_item, model, error);
    if (status < 0)
        return status;
    if (json_array_size(model->languages) == 0)
        status = json_array_append_new(model->languages, json_string("en"));
    return status < 0 ? -ENOMEM : 0;
}

/* ---- Opening and closing ---- */

static const char *text_or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

static void close_model(struct served_model *model)
{
    hearken_model_destroy(model->handle);
    json_decref(model->languages);
    free(model->version);
    free(model->author);
    free(model->url);
    free(model->file);
    free(model);
}

/* ---- On which backend ---- */

/* The best backend that is not to be passed over. */
struct search {
    const char *without;
    char *found;
};

/* They come with the best first. */
static void consider(void *context, const struct hearken_plugin_report *report)
{
    struct search *search = context;
    if (search->found == NULL && report->score > 0 && strcmp(report->name, search->without) != 0)
        search->found = strdup(report->name);
}

/* 0, -ENODEV if there is no other, -ENOMEM, or what the system says. */
static int open_elsewhere(struct served_model *model, const struct hearken_backend_options *options,
                          const char *without, struct hearken_error *error)
{
    struct search search = {.without = without};
    int status = hearken_plugins_list(options, consider, &search, error);
    if (status < 0)
        return status;
    if (search.found == NULL) {
        snprintf(error->message, sizeof error->message, "there is no backend but '%s'", without);
        return -ENODEV;
    }
    struct hearken_backend_options named = *options;
    named.backend = search.found;
    status = hearken_model_open(model->file, &named, &model->handle, error);
    free(search.found);
    model->elsewhere = true;
    return status;
}

/* ---- Opening ---- */

int served_model_open(const struct settings *settings, const char *without, struct log *log,
                      struct served_model **result, struct hearken_error *error)
{
    const struct hearken_backend_options options = {
        .backend = settings->backend,
        .plugin_directory = text_or_null(settings->plugin_directory),
        .cpu_mask = text_or_null(settings->cpu_mask),
        .threads = settings->threads,
        .log = log_library_message,
        .log_context = log,
    };
    snprintf(error->message, sizeof error->message, "out of memory");
    struct served_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return -ENOMEM;
    int status = -ENOMEM;
    model->references = 1;
    model->file = chosen_file(settings);
    if (model->file == NULL)
        goto fail;
    /* If it cannot be looked at, opening it says why. */
    if (stat(model->file, &model->file_status) < 0)
        model->file_status = (struct stat){0};
    if (without != NULL && strcmp(settings->backend, "auto") == 0)
        status = open_elsewhere(model, &options, without, error);
    else
        status = hearken_model_open(model->file, &options, &model->handle, error);
    if (status < 0)
        goto fail;
    status = read_facts(model, error);
    if (status < 0)
        goto fail;
    *result = model;
    return 0;

fail:
    close_model(model);
    return status;
}

struct served_model *served_model_take(struct served_model *model)
{
    if (model != NULL)
        model->references++;
    return model;
}

void served_model_release(struct served_model *model)
{
    if (model != NULL && --model->references == 0)
        close_model(model);
}

void served_model_lose(struct served_model *model)
{
    if (model->lost)
        return;
    model->lost = true;
    if (model->on_loss != NULL)
        model->on_loss(model->loss_context);
}

bool served_model_file_changed(const struct served_model *model)
{
    struct stat now;
    const struct stat *then = &model->file_status;
    if (stat(model->file, &now) < 0)
        return false;
    return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
           now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

static size_t primary_length(const char *tag)
{
    return strcspn(tag, "-_");
}

bool served_model_speaks(const struct served_model *model, const char *tag)
{
    size_t index;
    json_t *language;
    json_array_foreach(model->languages, index, language)
    {
        const char *known = json_string_value(language);
        size_t length = primary_length(known);
        if (length == primary_length(tag) && strncasecmp(known, tag, length) == 0)
            return true;
    }
    return false;
}
