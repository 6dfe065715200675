// SPDX-License-Identifier: MIT
#include "daemon/models/served_model.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *copy_value(const char *value)
{
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
        return strndup(value + 1, length - 2);
    return strdup(value);
}

/* Takes the codes out of a list as text, however it is punctuated. */
static void note_languages(struct model_facts *facts, const char *value)
{
    while (*value != '\0') {
        size_t length = 0;
        while (isalnum((unsigned char)value[length]) || value[length] == '-')
            length++;
        if (length >= 2 && length <= 20)
            json_array_append_new(facts->languages, json_stringn(value, length));
        value += length > 0 ? length : 1;
    }
}

static void note_item(void *context, const struct hearken_model_item *item)
{
    struct model_facts *facts = context;
    if (item->shape || !item->value)
        return;
    char **text = NULL;
    if (strcmp(item->name, "general.name") == 0)
        text = &facts->name;
    else if (strcmp(item->name, "general.description") == 0)
        text = &facts->description;
    else if (strcmp(item->name, "general.version") == 0)
        text = &facts->version;
    else if (strcmp(item->name, "general.author") == 0)
        text = &facts->author;
    else if (strcmp(item->name, "general.url") == 0)
        text = &facts->url;
    if (text && !*text)
        *text = copy_value(item->value);
}

int model_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error)
{
    *facts = (struct model_facts){.languages = json_array()};
    if (!facts->languages)
        return hearken_fail(error, -ENOMEM, "out of memory");
    char codes[2048];
    int result = hearken_model_inspect(file, note_item, facts, error);
    if (result == 0 && hearken_model_file_languages(file, codes, sizeof(codes), NULL) == 0)
        note_languages(facts, codes);
    if (result < 0) {
        model_facts_finish(facts);
        facts->languages = json_array();
    }
    if (json_array_size(facts->languages) == 0 &&
        json_array_append_new(facts->languages, json_string("en")) < 0) {
        model_facts_finish(facts);
        return hearken_fail(error, -ENOMEM, "out of memory");
    }
    return result;
}

void model_facts_finish(struct model_facts *facts)
{
    json_decref(facts->languages);
    free(facts->name);
    free(facts->description);
    free(facts->version);
    free(facts->author);
    free(facts->url);
    *facts = (struct model_facts){0};
}

static size_t primary_length(const char *tag)
{
    return strcspn(tag, "-_");
}

bool model_facts_speaks(const struct model_facts *facts, const char *tag)
{
    size_t index;
    json_t *language;
    json_array_foreach(facts->languages, index, language)
    {
        const char *known = json_string_value(language);
        size_t length = primary_length(known);
        if (length == primary_length(tag) && strncasecmp(known, tag, length) == 0)
            return true;
    }
    return false;
}

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* ---- Opening and closing ---- */

static const char *text_or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

static void free_model(struct served_model *model)
{
    hearken_model_destroy(model->handle);
    free(model->file);
    free(model);
}

/* Large memory that was given back goes to the system at once; malloc keeps the rest unless it is
 * told not to. */
static void close_in_thread(uv_work_t *work)
{
    struct served_model *model = work->data;
    hearken_model_destroy(model->handle);
    model->handle = NULL;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void closed(uv_work_t *work, int result)
{
    struct served_model *model = work->data;
    (void)result;
    model->home->busy--;
    free_model(model);
}

static void close_model(struct served_model *model)
{
    if (!model->home || !model->handle) {
        free_model(model);
        return;
    }
    model->work.data = model;
    model->home->busy++;
    if (uv_queue_work(model->home->loop, &model->work, close_in_thread, closed) == 0)
        return;
    model->home->busy--;
    free_model(model);
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
    if (!search->found && report->score > 0 && strcmp(report->name, search->without) != 0)
        search->found = strdup(report->name);
}

/* 0, -ENODEV if there is no other, -ENOMEM, or what the system says. */
static int open_elsewhere(struct served_model *model, const struct hearken_backend_options *options,
                          const char *without, struct hearken_error *error)
{
    struct search search = {.without = without};
    int result = hearken_plugins_list(options, consider, &search, error);
    if (result < 0)
        return result;
    if (!search.found) {
        snprintf(error->message, sizeof(error->message), "there is no backend but '%s'", without);
        return -ENODEV;
    }
    struct hearken_backend_options named = *options;
    named.backend = search.found;
    result = hearken_model_open(model->file, &named, &model->handle, error);
    free(search.found);
    model->elsewhere = true;
    return result;
}

/* ---- Opening ---- */

static int open_handle(struct served_model *model, const struct settings *settings,
                       const char *without, struct log *log, struct hearken_error *error)
{
    const struct hearken_backend_options options = {
        .backend = settings->backend,
        .plugin_directory = text_or_null(settings->plugin_directory),
        .cpu_mask = text_or_null(settings->cpu_mask),
        .threads = settings->threads,
        .log = log_library_message,
        .log_context = log,
    };
    /* If it cannot be looked at, opening it says why. */
    if (stat(model->file, &model->file_status) < 0)
        model->file_status = (struct stat){0};
    if (without && strcmp(settings->backend, "auto") == 0)
        return open_elsewhere(model, &options, without, error);
    return hearken_model_open(model->file, &options, &model->handle, error);
}

int served_model_open(const char *file, const struct settings *settings, const char *without,
                      struct log *log, struct served_model **result, struct hearken_error *error)
{
    struct served_model *model = calloc(1, sizeof(*model));
    int status = -ENOMEM;
    snprintf(error->message, sizeof(error->message), "out of memory");
    if (!model)
        return status;
    model->references = 1;
    model->state = SERVED_READY;
    model->file = strdup(file);
    if (model->file)
        status = open_handle(model, settings, without, log, error);
    if (status < 0)
        free_model(model);
    else
        *result = model;
    return status;
}

/* ---- Loading while others are served ---- */

struct loading {
    uv_work_t work;
    struct settings settings; /* a copy */
    char *without;            /* or NULL */
    struct log *log;
    struct served_model *model;
    int status;
};

static void load(uv_work_t *work)
{
    struct loading *loading = work->data;
    struct served_model *model = loading->model;
    loading->status =
        open_handle(model, &loading->settings, loading->without, loading->log, &model->problem);
}

static void free_loading(struct loading *loading)
{
    settings_finish(&loading->settings);
    free(loading->without);
    free(loading);
}

/* Those who wait may wait for something else from then on. */
static void loaded(uv_work_t *work, int result)
{
    struct loading *loading = work->data;
    struct served_model *model = loading->model;
    (void)result;
    model->state = loading->status < 0 ? SERVED_FAILED : SERVED_READY;
    model->home->busy--;
    free_loading(loading);
    model->home->loaded(model->home->context, model);
    while (model->waiters) {
        struct model_waiter *waiter = model->waiters;
        model->waiters = waiter->next;
        waiter->settled(waiter->context);
    }
    served_model_release(model);
}

struct served_model *served_model_load(struct model_home *home, const char *file,
                                       const struct settings *settings, const char *without,
                                       struct log *log)
{
    struct served_model *model = calloc(1, sizeof(*model));
    struct loading *loading = calloc(1, sizeof(*loading));
    if (!model || !loading)
        goto fail;
    model->home = home;
    model->references = 2; /* ours too */
    model->state = SERVED_LOADING;
    model->file = strdup(file);
    loading->model = model;
    loading->log = log;
    loading->without = without ? strdup(without) : NULL;
    if (!model->file || (without && !loading->without) ||
        settings_copy(&loading->settings, settings) < 0)
        goto fail;
    loading->work.data = loading;
    if (uv_queue_work(home->loop, &loading->work, load, loaded) < 0)
        goto fail;
    home->busy++;
    return model;

fail:
    if (loading)
        free_loading(loading);
    if (model)
        free_model(model);
    return NULL;
}

void served_model_wait(struct served_model *model, struct model_waiter *waiter)
{
    waiter->next = model->waiters;
    model->waiters = waiter;
}

void served_model_stop_waiting(struct served_model *model, const struct model_waiter *waiter)
{
    struct model_waiter **at = &model->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

/* ---- References ---- */

struct served_model *served_model_take(struct served_model *model)
{
    if (model)
        model->references++;
    return model;
}

void served_model_release(struct served_model *model)
{
    if (!model)
        return;
    if (--model->references == 0) {
        close_model(model);
    } else if (model->references == 1 && model->home) {
        model->idle_since = uv_hrtime();
        model->home->idle(model->home->context);
    }
}

void served_model_lose(struct served_model *model)
{
    if (model->lost)
        return;
    model->lost = true;
    if (model->home)
        model->home->lost(model->home->context, model);
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
