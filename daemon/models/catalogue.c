// SPDX-License-Identifier: MIT
#include "daemon/models/catalogue.h"

#include "daemon/common/installed_hint.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lists ---- */

static int set_text(char **text, const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static int read_entry(struct model_entry *entry, const char *name, const char *file,
                      struct hearken_error *error)
{
    char path[PATH_MAX];
    if (hearken_find_model(file, path, sizeof(path)))
        file = path;
    if (set_text(&entry->name, name) < 0 || set_text(&entry->file, file) < 0)
        return hearken_fail(error, -ENOMEM, "out of memory");
    int result = model_facts_read(&entry->facts, file, error);
    if (result == -ENOMEM || result == -EMFILE || result == -ENFILE)
        return result; /* says nothing about the file */
    if (result < 0 || stat(file, &entry->file_status) < 0)
        entry->file_status = (struct stat){0};
    return 0;
}

/* The default's name is in its file, so it may collide with a section of the configuration. */
static int check_names(const struct model_list *list, struct hearken_error *error)
{
    const char *default_model = model_entry_name(&list->entries[0]);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->entries[i].name, default_model) == 0)
            return hearken_fail(error, -EINVAL,
                                "[model %s]: the default model, %.300s, has the same name: rename "
                                "the section",
                                default_model, list->entries[0].file);
    return 0;
}

int model_list_read(struct model_list *list, const struct settings *settings,
                    struct hearken_error *error)
{
    *list =
        (struct model_list){.entries = calloc(1 + settings->model_count, sizeof(*list->entries))};
    if (!list->entries)
        return hearken_fail(error, -ENOMEM, "out of memory");
    int result = read_entry(&list->entries[list->count++], "", settings->model_file, error);
    for (size_t i = 0; i < settings->model_count && result == 0; i++)
        result = read_entry(&list->entries[list->count++], settings->models[i].name,
                            settings->models[i].file, error);
    if (result == 0)
        result = check_names(list, error);
    if (result < 0)
        model_list_finish(list);
    return result;
}

int model_list_check(const struct settings *settings, struct log *log)
{
    struct model_list list;
    struct hearken_error error;
    int result = model_list_read(&list, settings, &error);
    if (result < 0) {
        log_error(log, "%s", error.message);
        return result;
    }
    for (size_t i = 0; i < list.count; i++) {
        struct model_facts facts;
        const struct model_entry *entry = &list.entries[i];
        int read = model_facts_read(&facts, entry->file, &error);
        model_facts_finish(&facts);
        if (read < 0)
            installed_hint_add(entry->file, read, &error);
        if (read < 0 && i > 0)
            log_warning(log, "[model %s]: %s", entry->name, error.message);
        if (read < 0 && i == 0) {
            log_error(log, "model.file: %s", error.message);
            result = read;
        }
    }
    model_list_finish(&list);
    return result;
}

void model_list_finish(struct model_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct model_entry *entry = &list->entries[i];
        served_model_release(entry->model);
        model_facts_finish(&entry->facts);
        free(entry->name);
        free(entry->file);
        free(entry->excluded_backend);
        free(entry->backend);
    }
    free(list->entries);
    *list = (struct model_list){0};
}

/* ---- Names ---- */

const char *model_entry_name(const struct model_entry *entry)
{
    if (*entry->name != '\0')
        return entry->name;
    return entry->facts.name ? entry->facts.name : "default";
}

static struct model_entry *find(const struct catalogue *catalogue, const char *name)
{
    struct model_entry *entries = catalogue->list.entries;
    if (*name == '\0')
        return entries;
    for (size_t i = 0; i < catalogue->list.count; i++)
        if (strcmp(model_entry_name(&entries[i]), name) == 0)
            return &entries[i];
    return NULL;
}

const struct model_entry *catalogue_find(const struct catalogue *catalogue, const char *name)
{
    return find(catalogue, name);
}

void catalogue_list_names(const struct catalogue *catalogue, char *text, size_t size)
{
    size_t length = 0;
    *text = '\0';
    for (size_t i = 0; i < catalogue->list.count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%.64s", i > 0 ? ", " : "",
                                   model_entry_name(&catalogue->list.entries[i]));
}

/* ---- Callbacks of the models ---- */

static struct model_entry *entry_of(const struct catalogue *catalogue,
                                    const struct served_model *model)
{
    for (size_t i = 0; i < catalogue->list.count; i++)
        if (catalogue->list.entries[i].model == model)
            return &catalogue->list.entries[i];
    return NULL;
}

static void drop_model(struct model_entry *entry)
{
    struct served_model *model = entry->model;
    entry->model = NULL;
    served_model_release(model);
}

/* On failure only the status lacks the name. */
static void record_backend(struct model_entry *entry)
{
    set_text(&entry->backend, hearken_model_backend(entry->model->handle));
}

static void on_loaded(void *context, struct served_model *model)
{
    struct catalogue *catalogue = context;
    struct model_entry *entry = entry_of(catalogue, model);
    if (model->state == SERVED_FAILED)
        log_error(catalogue->log, "%s", model->problem.message);
    if (!entry)
        return;
    if (model->state == SERVED_FAILED) {
        drop_model(entry); /* the next request tries again */
        return;
    }
    record_backend(entry);
    log_info(catalogue->log, "loaded model %s, backend %s", model_entry_name(entry),
             hearken_model_backend(model->handle));
}

static void on_lost(void *context, struct served_model *model)
{
    struct catalogue *catalogue = context;
    struct model_entry *entry = entry_of(catalogue, model);
    if (!entry)
        return;
    if (entry == catalogue->list.entries) {
        catalogue->default_lost(catalogue->lost_context);
        return;
    }
    const char *backend = hearken_model_backend(model->handle);
    log_warning(catalogue->log, "backend %s has failed: reloading model %s at its next use",
                backend, model_entry_name(entry));
    set_text(&entry->excluded_backend, backend);
    drop_model(entry);
}

/* ---- Releasing idle models ---- */

static bool may_be_released(const struct catalogue *catalogue, const struct model_entry *entry)
{
    const struct served_model *model = entry->model;
    if (entry == catalogue->list.entries && catalogue->settings->model_keep)
        return false;
    return model && model->state == SERVED_READY && model->references == 1 &&
           catalogue->settings->model_release_seconds > 0;
}

static void release_idle(struct catalogue *catalogue);

static void on_timer(uv_timer_t *timer)
{
    release_idle(timer->data);
}

static void release_idle(struct catalogue *catalogue)
{
    uint64_t now = uv_hrtime(), next = UINT64_MAX;
    uint64_t limit = (uint64_t)((double)catalogue->settings->model_release_seconds * 1e9);
    for (size_t i = 0; i < catalogue->list.count; i++) {
        struct model_entry *entry = &catalogue->list.entries[i];
        if (!may_be_released(catalogue, entry))
            continue;
        uint64_t due = entry->model->idle_since + limit;
        if (due > now) {
            next = due - now < next ? due - now : next;
            continue;
        }
        log_info(catalogue->log, "released model %s", model_entry_name(entry));
        drop_model(entry);
    }
    uv_timer_stop(&catalogue->timer);
    if (next != UINT64_MAX)
        uv_timer_start(&catalogue->timer, on_timer, next / 1000000 + 1, 0);
}

static void on_idle(void *context)
{
    release_idle(context);
}

/* ---- Interface ---- */

void catalogue_init(struct catalogue *catalogue, uv_loop_t *loop, const struct settings *settings,
                    struct log *log)
{
    *catalogue = (struct catalogue){
        .log = log,
        .settings = settings,
        .owner = {.loop = loop,
                  .context = catalogue,
                  .loaded = on_loaded,
                  .idle = on_idle,
                  .lost = on_lost},
    };
    uv_timer_init(loop, &catalogue->timer);
    catalogue->timer.data = catalogue;
}

void catalogue_finish(struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->list.count; i++)
        if (catalogue->list.entries[i].model)
            catalogue->list.entries[i].model->owner = NULL;
    model_list_finish(&catalogue->list);
}

static bool is_same_file(const struct model_entry *a, const struct model_entry *b)
{
    const struct stat *x = &a->file_status, *y = &b->file_status;
    return strcmp(a->file, b->file) == 0 && x->st_dev == y->st_dev && x->st_ino == y->st_ino &&
           x->st_size == y->st_size && x->st_mtim.tv_sec == y->st_mtim.tv_sec &&
           x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

/* Moves the loaded model from the old entry to the new one, unless it should be reloaded on a
 * better backend. */
static void inherit(struct model_entry *entry, struct model_entry *old)
{
    const struct served_model *model = old->model;
    if (model && model->state == SERVED_READY && (model->on_fallback || model->lost))
        return;
    entry->model = old->model;
    entry->backend = old->backend;
    old->model = NULL;
    old->backend = NULL;
}

void catalogue_replace(struct catalogue *catalogue, struct model_list *list, bool reload_all,
                       struct served_model *default_model)
{
    struct model_list old = catalogue->list;
    catalogue->list = *list;
    *list = (struct model_list){0};
    for (size_t i = 0; i < old.count && !reload_all; i++) {
        struct model_entry *entry = find(catalogue, old.entries[i].name);
        if (entry && strcmp(entry->name, old.entries[i].name) == 0 &&
            is_same_file(entry, &old.entries[i]))
            inherit(entry, &old.entries[i]);
    }
    if (default_model) {
        struct model_entry *entry = catalogue->list.entries;
        drop_model(entry);
        entry->model = default_model;
        default_model->owner = &catalogue->owner;
        default_model->idle_since = uv_hrtime();
        record_backend(entry);
    }
    model_list_finish(&old);
    release_idle(catalogue);
}

struct served_model *catalogue_acquire(struct catalogue *catalogue, const char *name)
{
    struct model_entry *entry = find(catalogue, name);
    if (!entry)
        return NULL;
    if (!entry->model) {
        log_debug(catalogue->log, "loading model %s", model_entry_name(entry));
        entry->model = served_model_load(&catalogue->owner, entry->file, catalogue->settings,
                                         entry->excluded_backend, catalogue->log);
    }
    return served_model_acquire(entry->model);
}

bool catalogue_is_busy(const struct catalogue *catalogue)
{
    return catalogue->owner.busy > 0;
}
