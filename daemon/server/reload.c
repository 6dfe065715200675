// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"
#include "daemon/server/server_private.h"
#include "daemon/server/systemd.h"

#include <errno.h>
#include <string.h>

static void log_problem(void *log, const char *problem)
{
    log_error(log, "%s", problem);
}

/* Keeps the settings that need a restart, with a warning for each that was changed. */
static int keep_restart_settings(struct server *server, struct settings *settings)
{
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        if (setting.change != SETTING_RESTART ||
            setting_equal(&setting, settings, &server->service.settings))
            continue;
        log_warning(server->service.log, "reload: %s.%s needs a restart to change", setting.section,
                    setting.name);
        if (setting_copy(&setting, settings, &server->service.settings) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Settings of the backend affect all models, model.file only the default. */
static bool must_reload_all(const struct server *server, const struct settings *settings)
{
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++)
        if (setting.change == SETTING_MODEL &&
            setting.offset != offsetof(struct settings, model_file) &&
            !setting_equal(&setting, settings, &server->service.settings))
            return true;
    return false;
}

static bool must_reload_default(const struct server *server, const struct settings *settings)
{
    const struct model_entry *entry = catalogue_find(&server->service.models, "");
    const struct served_model *model = entry->model;
    if (strcmp(settings->model_file, server->service.settings.model_file) != 0)
        return true;
    return model && model->state == SERVED_READY &&
           (model->on_fallback || model->lost || served_model_file_changed(model));
}

/* Takes over the settings. */
static void apply_settings(struct server *server, struct settings *settings)
{
    settings_finish(&server->service.settings);
    server->service.settings = *settings;
    *settings = (struct settings){0};
    log_set_level(server->service.log, (enum hearken_log_level)server->service.settings.log_level);
    admission_reserve_descriptors(&server->admission, server->service.settings.connections);
    if (server->http)
        http_server_reload(server->http);
}

static void finish_reload(struct server *server)
{
    struct reload *reload = &server->reload;
    settings_finish(&reload->settings);
    reload->running = false;
    if (server->phase == SERVER_RUNNING)
        systemd_ready();
    if (reload->repeat && server->phase == SERVER_RUNNING)
        reload_start(server);
}

/* ---- New models ---- */

static void open_models(uv_work_t *work)
{
    struct reload *reload = work->data;
    struct log *log = reload->server->service.log;
    reload->status = model_list_read(&reload->list, &reload->settings, &reload->error);
    if (reload->status == 0 && reload->opens_default)
        reload->status =
            served_model_open(reload->list.entries[0].file, &reload->settings,
                              reload->excluded_backend, log, &reload->model, &reload->error);
}

static void clear_lost(struct server *server)
{
    struct served_model *model = server->service.models.list.entries[0].model;
    if (model)
        model->lost = false; /* so that the next failing request starts another attempt */
}

static void models_opened(uv_work_t *work, int result)
{
    struct reload *reload = work->data;
    struct server *server = reload->server;
    struct service *service = &server->service;
    (void)result; /* it is never cancelled */
    if (reload->status < 0) {
        log_error(service->log, "reload: %s; nothing was changed", reload->error.message);
        model_list_finish(&reload->list);
        clear_lost(server);
    } else {
        apply_settings(server, &reload->settings);
        catalogue_replace(&service->models, &reload->list, reload->reload_all, reload->model);
        microphone_hub_reload(service->hub);
        if (reload->model)
            log_info(service->log, "reloaded: model %s, backend %s",
                     hearken_model_name(reload->model->handle),
                     hearken_model_backend(reload->model->handle));
        else
            log_info(service->log, "reloaded the configuration");
        reload->model = NULL;
    }
    finish_reload(server);
}

/* Opens the models with reload->settings, in a thread of libuv's: whoever speaks needs the workers.
 * `excluded_backend` may be NULL. */
static void start_opening(struct server *server, const char *excluded_backend)
{
    struct reload *reload = &server->reload;
    reload->running = true;
    reload->work.data = reload;
    reload->server = server;
    reload->excluded_backend = excluded_backend;
    /* Fails only without a function. */
    (void)uv_queue_work(&server->loop, &reload->work, open_models, models_opened);
}

/* ---- Device loss ---- */

/* The device of the default model has failed: opens the model again with the current settings, on
 * another backend if compute.backend is auto. Requests fail meanwhile. */
static void default_lost(void *context)
{
    struct server *server = context;
    struct reload *reload = &server->reload;
    const struct served_model *model = server->service.models.list.entries[0].model;
    const char *backend = hearken_model_backend(model->handle);
    if (!model->lost || reload->running || server->phase != SERVER_RUNNING)
        return;
    log_warning(server->service.log, "backend %s has failed: reopening the model", backend);
    systemd_reloading();
    if (settings_copy(&reload->settings, &server->service.settings) < 0) {
        log_error(server->service.log, "reload: out of memory; nothing was changed");
        clear_lost(server);
        finish_reload(server);
        return;
    }
    reload->opens_default = true;
    reload->reload_all = false;
    start_opening(server, backend);
}

void reload_on_device_loss(struct server *server)
{
    server->service.models.default_lost = default_lost;
    server->service.models.lost_context = server;
}

/* ---- Reload ---- */

void reload_start(struct server *server)
{
    struct reload *reload = &server->reload;
    struct log *log = server->service.log;
    if (reload->running) {
        reload->repeat = true;
        return;
    }
    reload->repeat = false;
    systemd_reloading();
    if (options_load_settings(server->options, &reload->settings, log_problem, log) < 0 ||
        keep_restart_settings(server, &reload->settings) < 0) {
        log_error(log, "reload: the configuration has errors; nothing was changed");
        finish_reload(server);
    } else {
        reload->reload_all = must_reload_all(server, &reload->settings);
        reload->opens_default =
            reload->reload_all || must_reload_default(server, &reload->settings);
        start_opening(server, NULL);
    }
}
