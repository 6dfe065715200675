// SPDX-License-Identifier: MIT
#include "daemon/models/served_model.h"

#include "daemon/common/installed_hint.h"

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

/* Parses a list of language codes with any separators. */
static void parse_languages(struct model_facts *facts, const char *value)
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

static void on_item(void *context, const struct hearken_model_item *item)
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
    int result = hearken_model_inspect(file, on_item, facts, error);
    if (result == 0 && hearken_model_file_languages(file, codes, sizeof(codes), NULL) == 0)
        parse_languages(facts, codes);
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

/* free returns large blocks to the system; malloc_trim returns the others. */
static void close_in_thread(uv_work_t *work)
{
    struct served_model *model = work->data;
    hearken_model_destroy(model->handle);
    model->handle = NULL;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void on_close_done(uv_work_t *work, int result)
{
    struct served_model *model = work->data;
    (void)result;
    model->owner->busy--;
    free_model(model);
}

static void close_model(struct served_model *model)
{
    if (!model->owner || !model->handle) {
        free_model(model);
        return;
    }
    model->work.data = model;
    model->owner->busy++;
    if (uv_queue_work(model->owner->loop, &model->work, close_in_thread, on_close_done) == 0)
        return;
    model->owner->busy--;
    free_model(model);
}

/* ---- Choice of the backend ---- */

/* Finds the best backend that is not excluded. */
struct search {
    const char *excluded_backend;
    char *found;
};

/* The reports come in the order of preference, best first. */
static void consider_backend(void *context, const struct hearken_plugin_report *report)
{
    struct search *search = context;
    if (!search->found && report->score > 0 && strcmp(report->name, search->excluded_backend) != 0)
        search->found = strdup(report->name);
}

/* Errors: -ENODEV: there is no other backend; -ENOMEM; as hearken_model_open. */
static int open_on_other_backend(struct served_model *model,
                                 const struct hearken_backend_options *options,
                                 const char *excluded_backend, struct hearken_error *error)
{
    struct search search = {.excluded_backend = excluded_backend};
    int result = hearken_plugins_list(options, consider_backend, &search, error);
    if (result < 0)
        return result;
    if (!search.found) {
        snprintf(error->message, sizeof(error->message), "the only backend, '%s', has failed",
                 excluded_backend);
        return -ENODEV;
    }
    struct hearken_backend_options named = *options;
    named.backend = search.found;
    result = hearken_model_open(model->file, &named, &model->handle, error);
    free(search.found);
    model->on_fallback = true;
    return result;
}

/* ---- Opening ---- */

static struct hearken_backend_options backend_options(const struct settings *settings,
                                                      struct log *log)
{
    return (struct hearken_backend_options){
        .struct_size = sizeof(struct hearken_backend_options),
        .backend = settings->backend,
        .plugin_directory = text_or_null(settings->plugin_directory),
        .cpu_mask = text_or_null(settings->cpu_mask),
        .threads = settings->threads,
        .log = log ? log_library_message : NULL,
        .log_context = log,
    };
}

/* What hearken_plugins_list reports, for a check of the setting compute.backend. */
struct backend_check {
    const char *wanted;
    bool found;
    char problem[300]; /* "": there is none */
    char known[200];
};

static void note_backend(void *context, const struct hearken_plugin_report *report)
{
    struct backend_check *check = context;
    size_t used = strlen(check->known);
    if (!report->name)
        return;
    snprintf(check->known + used, sizeof(check->known) - used, ", %s", report->name);
    if (strcmp(report->name, check->wanted) != 0)
        return;
    check->found = true;
    if (report->score <= 0)
        snprintf(check->problem, sizeof(check->problem), "%s", report->reason);
}

int served_backend_check(const struct settings *settings, struct hearken_error *error)
{
    struct backend_check check = {.wanted = settings->backend};
    const struct hearken_backend_options options = backend_options(settings, NULL);
    if (*settings->backend == '\0' || strcmp(settings->backend, "auto") == 0)
        return 0;
    int result = hearken_plugins_list(&options, note_backend, &check, error);
    if (result < 0)
        return result;
    if (!check.found)
        return hearken_fail(error, -ENOENT, "compute.backend: got %.100s, expected one of: auto%s",
                            settings->backend, check.known);
    return *check.problem
               ? hearken_fail(error, -ENODEV, "compute.backend: %.100s cannot run here: %s",
                              settings->backend, check.problem)
               : 0;
}

static int open_handle(struct served_model *model, const struct settings *settings,
                       const char *excluded_backend, struct log *log, struct hearken_error *error)
{
    const struct hearken_backend_options options = backend_options(settings, log);
    /* If this fails, opening the file will fail too and say why. */
    if (stat(model->file, &model->file_status) < 0)
        model->file_status = (struct stat){0};
    if (excluded_backend && strcmp(settings->backend, "auto") == 0)
        return open_on_other_backend(model, &options, excluded_backend, error);
    int result = hearken_model_open(model->file, &options, &model->handle, error);
    if (result < 0)
        installed_hint_add(model->file, result, error);
    return result;
}

static void ignore_event(void *context, const struct hearken_event *event)
{
    (void)context;
    (void)event;
}

/* Options of [recognition] that the model does not support fail each request that leaves them as
 * they are. A request may say otherwise, and other models may support them: so it is a warning. */
static void check_recognition(struct hearken_model *handle, const struct settings *settings,
                              struct log *log)
{
    struct hearken_error error;
    struct hearken_stream *stream = NULL;
    int result =
        hearken_stream_create(handle, &settings->recognition, ignore_event, NULL, &stream, &error);
    hearken_stream_destroy(stream);
    if (result == -EINVAL)
        log_warning(log, "[recognition]: %s", error.message);
}

int served_model_open(const char *file, const struct settings *settings,
                      const char *excluded_backend, struct log *log, struct served_model **result,
                      struct hearken_error *error)
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
        status = open_handle(model, settings, excluded_backend, log, error);
    if (status < 0) {
        free_model(model);
        return status;
    }
    check_recognition(model->handle, settings, log);
    *result = model;
    return 0;
}

/* ---- Loading in the background ---- */

struct loading {
    uv_work_t work;
    struct settings settings; /* a copy */
    char *excluded_backend;   /* or NULL */
    struct log *log;
    struct served_model *model;
    int status;
};

static void run_load(uv_work_t *work)
{
    struct loading *loading = work->data;
    struct served_model *model = loading->model;
    loading->status = open_handle(model, &loading->settings, loading->excluded_backend,
                                  loading->log, &model->problem);
}

static void free_loading(struct loading *loading)
{
    settings_finish(&loading->settings);
    free(loading->excluded_backend);
    free(loading);
}

/* A waiter's memory may be reused or freed by its callback. */
static void on_load_done(uv_work_t *work, int result)
{
    struct loading *loading = work->data;
    struct served_model *model = loading->model;
    (void)result;
    model->state = loading->status < 0 ? SERVED_FAILED : SERVED_READY;
    model->owner->busy--;
    free_loading(loading);
    model->owner->loaded(model->owner->context, model);
    while (model->waiters) {
        struct model_waiter *waiter = model->waiters;
        model->waiters = waiter->next;
        waiter->settled(waiter->context);
    }
    served_model_release(model);
}

struct served_model *served_model_load(struct model_owner *owner, const char *file,
                                       const struct settings *settings,
                                       const char *excluded_backend, struct log *log)
{
    struct served_model *model = calloc(1, sizeof(*model));
    struct loading *loading = calloc(1, sizeof(*loading));
    if (!model || !loading)
        goto fail;
    model->owner = owner;
    model->references = 2; /* the caller's and the loading thread's */
    model->state = SERVED_LOADING;
    model->file = strdup(file);
    loading->model = model;
    loading->log = log;
    loading->excluded_backend = excluded_backend ? strdup(excluded_backend) : NULL;
    if (!model->file || (excluded_backend && !loading->excluded_backend) ||
        settings_copy(&loading->settings, settings) < 0)
        goto fail;
    loading->work.data = loading;
    if (uv_queue_work(owner->loop, &loading->work, run_load, on_load_done) < 0)
        goto fail;
    owner->busy++;
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

struct served_model *served_model_acquire(struct served_model *model)
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
    } else if (model->references == 1 && model->owner) {
        model->idle_since = uv_hrtime();
        model->owner->idle(model->owner->context);
    }
}

void served_model_mark_lost(struct served_model *model)
{
    if (model->lost)
        return;
    model->lost = true;
    if (model->owner)
        model->owner->lost(model->owner->context, model);
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
