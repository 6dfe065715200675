// SPDX-License-Identifier: MIT
#include <errno.h>

#include "listed_words.h"
#include "live.h"
#include "server_private.h"
#include "systemd.h"

static void log_problem(void *log, const char *problem)
{
    log_warning(log, "%s", problem);
}

/* Keeps what cannot change while we run, and says so. */
static int keep_fixed(struct server *server, struct settings *settings)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *setting = &setting_table[i];
        if (setting->change != SETTING_RESTART ||
            setting_equal(setting, settings, &server->service.settings))
            continue;
        log_warning(server->service.log, "reload: %s.%s needs a restart to change",
                    setting->section, setting->name);
        if (setting_copy(setting, settings, &server->service.settings) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool needs_model(const struct server *server, const struct settings *settings)
{
    for (size_t i = 0; i < setting_count; i++)
        if (setting_table[i].change == SETTING_MODEL &&
            !setting_equal(&setting_table[i], settings, &server->service.settings))
            return true;
    return server->service.model->elsewhere || server->service.model->lost ||
           served_model_file_changed(server->service.model);
}

/* Takes over the settings. */
static void put_in_force(struct server *server, struct settings *settings)
{
    settings_finish(&server->service.settings);
    server->service.settings = *settings;
    *settings = (struct settings){0};
    log_set_level(server->service.log, (enum hearken_log_level)server->service.settings.log_level);
    live_reload(server->service.live);
}

static void finish_reload(struct server *server)
{
    struct reload *reload = &server->reload;
    settings_finish(&reload->settings);
    reload->running = false;
    systemd_ready();
    if (reload->again && server->phase == SERVER_RUNNING)
        reload_start(server);
}

/* ---- A new model ---- */

static enum work_outcome open_model(struct work *work)
{
    struct reload *reload = (struct reload *)((char *)work - offsetof(struct reload, work));
    struct server *server = reload->server;
    if (served_model_open(&reload->settings, reload->without, server->service.log, &reload->model,
                          &reload->error) < 0)
        reload->model = NULL;
    return WORK_END;
}

static void deliver_nothing(struct work *work)
{
    (void)work;
}

static void model_opened(struct work *work)
{
    struct reload *reload = (struct reload *)((char *)work - offsetof(struct reload, work));
    struct server *server = reload->server;
    struct service *service = &server->service;
    if (reload->model == NULL) {
        log_error(service->log, "reload: %s; nothing was changed", reload->error.message);
        service->model->lost = false; /* the next request that fails has it tried again */
    } else {
        served_model_release(service->model);
        service->model = reload->model;
        reload->model = NULL;
        reload_at_loss(server);
        put_in_force(server, &reload->settings);
        log_info(service->log, "reloaded: model %s, backend %s",
                 hearken_model_name(service->model->handle),
                 hearken_model_backend(service->model->handle));
    }
    finish_reload(server);
}

/* With reload->settings, on a worker. */
static void start_opening(struct server *server, const char *without)
{
    struct reload *reload = &server->reload;
    reload->running = true;
    reload->work = (struct work){
        .run = open_model,
        .deliver = deliver_nothing,
        .ended = model_opened,
    };
    reload->server = server;
    reload->without = without;
    workers_submit(server->service.workers, &reload->work);
}

/* ---- A device that fails ---- */

static int copy_settings(struct settings *to, const struct settings *from)
{
    for (size_t i = 0; i < setting_count; i++)
        if (setting_copy(&setting_table[i], to, from) < 0)
            return -ENOMEM;
    return listed_words_copy(to, from);
}

/*
 * The device of the model in force has failed: the model is opened again with the settings as they
 * are, on another backend if they leave the choice to us. Meanwhile requests fail.
 */
static void on_loss(void *context)
{
    struct server *server = context;
    struct reload *reload = &server->reload;
    const char *backend = hearken_model_backend(server->service.model->handle);
    if (!server->service.model->lost || reload->running || server->phase != SERVER_RUNNING)
        return;
    log_warning(server->service.log, "backend %s has failed: the model is opened again", backend);
    systemd_reloading();
    if (copy_settings(&reload->settings, &server->service.settings) < 0) {
        log_error(server->service.log, "reload: out of memory; nothing was changed");
        server->service.model->lost = false;
        finish_reload(server);
        return;
    }
    start_opening(server, backend);
}

void reload_at_loss(struct server *server)
{
    server->service.model->on_loss = on_loss;
    server->service.model->loss_context = server;
}

/* ---- What is asked for ---- */

void reload_start(struct server *server)
{
    struct reload *reload = &server->reload;
    struct log *log = server->service.log;
    if (reload->running) {
        reload->again = true;
        return;
    }
    reload->again = false;
    systemd_reloading();
    if (options_load_settings(server->options, &reload->settings, log_problem, log) < 0 ||
        keep_fixed(server, &reload->settings) < 0) {
        log_error(log, "reload: the configuration has errors; nothing was changed");
        finish_reload(server);
    } else if (needs_model(server, &reload->settings)) {
        start_opening(server, NULL);
    } else {
        put_in_force(server, &reload->settings);
        log_info(log, "reloaded the configuration");
        finish_reload(server);
    }
}
