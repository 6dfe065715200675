// SPDX-License-Identifier: MIT
/* Reload and drain of the daemon, with all that they call made by the tests. */
#define options_load_settings         fake_load_settings
#define model_list_read               fake_list_read
#define model_list_finish             fake_list_finish
#define served_model_open             fake_model_open
#define served_model_file_changed     fake_file_changed
#define catalogue_replace             fake_catalogue_replace
#define catalogue_find                fake_catalogue_find
#define catalogue_is_busy             fake_catalogue_is_busy
#define microphone_hub_reload         fake_hub_reload
#define microphone_hub_drain          fake_hub_drain
#define microphone_hub_is_busy        fake_hub_is_busy
#define admission_reserve_descriptors fake_make_room
#define systemd_ready                 fake_systemd_ready
#define systemd_reloading             fake_systemd_reloading
#define systemd_stopping              fake_systemd_stopping
#define server_stop_listening         fake_listeners_close
#define connection_drain              fake_connection_drain
#define connection_reject             fake_connection_reject
#define connection_close              fake_connection_close
#define server_keep_ticking           fake_keep_ticking
#define hearken_model_name            fake_model_name
#define hearken_model_backend         fake_model_backend
#define uv_queue_work                 fake_queue_work
#define uv_now                        fake_now
#define uv_stop                       fake_stop
#define reload_start                  tested_reload_start
#define reload_on_device_loss         tested_reload_at_loss
#define drain_start                   tested_drain_start
#define drain_tick                    tested_drain_tick

#include <unistd.h> /* before _exit is another */

void fake_exit(int status);
#define _exit fake_exit

#include "daemon/server/drain.c"
#include "daemon/server/reload.c"
#include "tests/unit/common/call_log.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_reload_tests(void);

/* ---- What the server is made of ---- */

static struct server server;
static struct log quiet;
static struct model_entry standard;
static struct served_model old_model, new_model;
static uv_work_t *submitted;
static uv_work_cb submitted_run;
static uv_after_work_cb submitted_ended;
static bool catalogue_busy, hub_busy;
static uint64_t now;

/* The configuration as it is on disk, and what comes of it. */
static unsigned new_connections;
static const char *new_file, *new_backend, *new_socket;
static int load_status, list_status, open_status;

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
}

int fake_load_settings(const struct options *options, struct settings *settings,
                       setting_problem_callback *callback, void *context)
{
    (void)options;
    (void)callback;
    (void)context;
    note("load ");
    if (load_status < 0)
        return load_status;
    EXPECT_EQUAL_FATAL(settings_init(settings), 0);
    settings->connections = new_connections;
    settings->log_level = (unsigned)-1; /* nothing */
    set_text(&settings->model_file, new_file);
    set_text(&settings->backend, new_backend);
    set_text(&settings->socket, new_socket);
    return 0;
}

int fake_list_read(struct model_list *list, const struct settings *settings,
                   struct hearken_error *error)
{
    static struct model_entry entry;
    note("list(%s) ", settings->model_file);
    entry.file = settings->model_file;
    *list = (struct model_list){.entries = &entry, .count = 1};
    return list_status < 0 ? hearken_fail(error, list_status, "no list") : 0;
}

void fake_list_finish(struct model_list *list)
{
    *list = (struct model_list){0};
}

int fake_model_open(const char *file, const struct settings *settings, const char *excluded_backend,
                    struct log *log, struct served_model **model, struct hearken_error *error)
{
    (void)log;
    note("open(%s on %s%s%s) ", file, settings->backend, excluded_backend ? " not " : "",
         excluded_backend ? excluded_backend : "");
    if (open_status < 0)
        return hearken_fail(error, open_status, "cannot open");
    *model = &new_model;
    return 0;
}

bool fake_file_changed(const struct served_model *model)
{
    return model->file_status.st_size == 1; /* as the test says */
}

/* The settings are in force already. */
void fake_catalogue_replace(struct catalogue *catalogue, struct model_list *list, bool reload_all,
                            struct served_model *model)
{
    (void)catalogue;
    (void)list;
    note("replace(%u%s%s) ", server.service.settings.connections, reload_all ? " afresh" : "",
         model ? " new" : "");
}

const struct model_entry *fake_catalogue_find(const struct catalogue *catalogue, const char *name)
{
    (void)catalogue;
    EXPECT_EQUAL_STRING(name, "");
    return &standard;
}

bool fake_catalogue_is_busy(const struct catalogue *catalogue)
{
    (void)catalogue;
    return catalogue_busy;
}

void fake_hub_reload(struct microphone_hub *hub)
{
    (void)hub;
    note("hub ");
}

void fake_hub_drain(struct microphone_hub *hub)
{
    (void)hub;
    note("hub-drain ");
}

bool fake_hub_is_busy(const struct microphone_hub *hub)
{
    (void)hub;
    return hub_busy;
}

int fake_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb ended)
{
    CU_ASSERT_PTR_EQUAL(loop, &server.loop);
    CU_ASSERT_PTR_NULL(submitted);
    submitted = work;
    submitted_run = run;
    submitted_ended = ended;
    return 0;
}

void fake_make_room(struct admission *admission, unsigned connections)
{
    (void)admission;
    (void)connections;
}

void fake_systemd_ready(void)
{
    note("ready ");
}

void fake_systemd_reloading(void)
{
    note("reloading ");
}

void fake_systemd_stopping(void)
{
    note("stopping ");
}

void fake_listeners_close(struct server *closed)
{
    (void)closed;
    note("deaf ");
}

void fake_connection_drain(struct connection *connection)
{
    note("drain%u ", connection->id);
}

void fake_connection_reject(struct connection *connection, const char *code, const char *text)
{
    (void)text;
    note("reject%u(%s) ", connection->id, code);
}

void fake_connection_close(struct connection *connection)
{
    note("close%u ", connection->id);
}

void fake_keep_ticking(struct server *ticking)
{
    (void)ticking;
}

const char *fake_model_name(const struct hearken_model *model)
{
    (void)model;
    return "name";
}

const char *fake_model_backend(const struct hearken_model *model)
{
    (void)model;
    return "gpu";
}

uint64_t fake_now(const uv_loop_t *loop)
{
    (void)loop;
    return now;
}

void fake_stop(uv_loop_t *loop)
{
    (void)loop;
    note("stop ");
}

void fake_exit(int status)
{
    note("exit(%d) ", status);
}

/* ---- A server ---- */

static void begin(void)
{
    log_init(&quiet, (enum hearken_log_level) - 1);
    server = (struct server){.service.log = &quiet};
    EXPECT_EQUAL_FATAL(settings_init(&server.service.settings), 0);
    server.service.settings.connections = 7;
    server.service.settings.log_level = (unsigned)-1;
    server.service.settings.drain_seconds = 20;
    old_model = (struct served_model){.state = SERVED_READY};
    standard = (struct model_entry){.model = &old_model};
    server.service.models.list = (struct model_list){.entries = &standard, .count = 1};
    submitted = NULL;
    catalogue_busy = hub_busy = false;
    now = 1000;
    new_connections = 8;
    new_file = new_socket = "";
    new_backend = "auto";
    load_status = list_status = open_status = 0;
    *call_log = '\0';
}

/* A thread does what was submitted, then the loop. */
static void work(void)
{
    uv_work_t *done = submitted;
    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    submitted = NULL;
    submitted_run(done);
    submitted_ended(done, 0);
}

static void finish(unsigned connections)
{
    EXPECT_EQUAL(server.service.settings.connections, connections);
    CU_ASSERT_PTR_NULL(submitted);
    CU_ASSERT_FALSE(server.reload.running);
    settings_finish(&server.service.settings);
}

/* ---- Reload ---- */

static void test_settings_alone(void)
{
    begin();
    reload_start(&server);
    EXPECT_EQUAL(server.service.settings.connections, 7);
    work();
    expect_calls("reloading load list() replace(8) hub ready ");
    finish(8);
}

/* What was in force stays so: nothing is replaced, and the next reload works. */
static void test_failures(void)
{
    static const struct {
        int *status;
        const char *expected;
    } cases[] = {
        {&load_status, "reloading load ready "},
        {&list_status, "reloading load list(new) ready "},
        {&open_status, "reloading load list(new) open(new on auto) ready "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        new_file = "new";
        *cases[i].status = -ENOENT;
        reload_start(&server);
        if (submitted)
            work();
        expect_calls(cases[i].expected);
        EXPECT_EQUAL(server.service.settings.connections, 7);
        EXPECT_EQUAL_STRING(server.service.settings.model_file, "");
        *cases[i].status = 0;
        reload_start(&server);
        work();
        expect_calls("reloading load list(new) open(new on auto) replace(8 new) hub ready ");
        finish(8);
    }
}

/* A new backend concerns all models, a new or changed file the default alone. */
static void test_what_is_opened(void)
{
    begin();
    new_backend = "cpu";
    reload_start(&server);
    work();
    expect_calls("reloading load list() open( on cpu) replace(8 afresh new) hub ready ");
    old_model.file_status.st_size = 1;
    reload_start(&server);
    work();
    expect_calls("reloading load list() open( on cpu) replace(8 new) hub ready ");
    old_model = (struct served_model){.state = SERVED_READY, .on_fallback = true};
    reload_start(&server);
    work();
    expect_calls("reloading load list() open( on cpu) replace(8 new) hub ready ");
    standard.model = NULL; /* released: it is loaded at its next use */
    reload_start(&server);
    work();
    expect_calls("reloading load list() replace(8) hub ready ");
    finish(8);
}

static void test_what_needs_a_restart(void)
{
    begin();
    new_socket = "/elsewhere";
    reload_start(&server);
    work();
    expect_calls("reloading load list() replace(8) hub ready ");
    EXPECT_EQUAL_STRING(server.service.settings.socket, "");
    finish(8);
}

/* However often it is transcribe for meanwhile, it is done once more, with what is on disk then. */
static void test_again(void)
{
    begin();
    reload_start(&server);
    new_connections = 9;
    reload_start(&server);
    reload_start(&server);
    work();
    expect_calls("reloading load list() replace(8) hub ready reloading load ");
    work();
    expect_calls("list() replace(9) hub ready ");
    finish(9);
}

/* The daemon stops meanwhile: what was opened is put in force and freed with the rest. */
static void test_reload_and_stop(void)
{
    begin();
    reload_start(&server);
    reload_start(&server);
    drain_start(&server);
    expect_calls("reloading load stopping deaf hub-drain ");
    work();
    expect_calls("list() replace(8) hub ");
    drain_tick(&server);
    expect_calls("stop ");
    finish(8);
}

/* The default's device: opened on another one with the settings that are in force. */
static void test_loss(void)
{
    begin();
    reload_on_device_loss(&server);
    server.service.models.default_lost(server.service.models.lost_context);
    expect_calls(""); /* it is not lost any more */
    old_model.lost = true;
    server.service.models.default_lost(server.service.models.lost_context);
    server.service.models.default_lost(server.service.models.lost_context);
    work();
    expect_calls("reloading list() open( on auto not gpu) replace(7 new) hub ready ");
    open_status = -ENODEV;
    server.service.models.default_lost(server.service.models.lost_context);
    work();
    expect_calls("reloading list() open( on auto not gpu) ready ");
    CU_ASSERT_FALSE(old_model.lost); /* tried again by the next request that fails */
    old_model.lost = true;
    server.phase = SERVER_DRAINING;
    server.service.models.default_lost(server.service.models.lost_context);
    expect_calls("");
    finish(7);
}

/* ---- Drain ---- */

static struct connection connections[2];

static void connect_two(void)
{
    connections[0] = (struct connection){.id = 1, .next = &connections[1]};
    connections[1] = (struct connection){.id = 2};
    server.connections = connections;
    server.service.connections = 2;
}

static void test_drain(void)
{
    begin();
    connect_two();
    server.service.totals.running = 1;
    drain_tick(&server);
    expect_calls(""); /* nobody wants it to stop */
    drain_start(&server);
    CU_ASSERT_TRUE(server.service.draining);
    expect_calls("stopping deaf hub-drain drain1 drain2 ");
    server.service.connections = 0;
    drain_tick(&server);
    expect_calls(""); /* a request's worker has not let go */
    server.service.totals.running = 0;
    catalogue_busy = true;
    drain_tick(&server);
    catalogue_busy = false;
    hub_busy = true;
    drain_tick(&server);
    expect_calls("");
    hub_busy = false;
    drain_tick(&server);
    expect_calls("stop ");
    finish(7);
}

/* Those who are not done in time are told; who does not stop then is left behind. */
static void test_drain_takes_too_long(void)
{
    begin();
    connect_two();
    drain_start(&server);
    *call_log = '\0';
    now += 19999;
    drain_tick(&server);
    expect_calls("");
    now += 1;
    drain_tick(&server);
    expect_calls("reject1(shutting-down) reject2(shutting-down) ");
    now += 3600 * 1000; /* in which the process was stopped */
    server.ticks += END_TICKS - 1;
    drain_tick(&server);
    expect_calls("");
    server.ticks++;
    drain_tick(&server);
    expect_calls("exit(1) ");
    finish(7);
}

static void test_second_signal(void)
{
    begin();
    connect_two();
    drain_start(&server);
    *call_log = '\0';
    drain_start(&server);
    expect_calls("close1 close2 ");
    server.service.connections = 0;
    drain_tick(&server);
    expect_calls("stop ");
    finish(7);
}

/* Balancers are told first; meanwhile all goes on as before. */
static void test_leaving(void)
{
    begin();
    server.service.settings.lame_duck_seconds = 10;
    drain_start(&server);
    expect_calls("stopping ");
    CU_ASSERT_TRUE(server.service.leaving);
    CU_ASSERT_FALSE(server.service.draining);
    now += 9999;
    drain_tick(&server);
    expect_calls(""); /* also where nothing runs: a balancer may still send */
    connect_two();
    now += 1;
    drain_tick(&server);
    expect_calls("deaf hub-drain drain1 drain2 ");
    CU_ASSERT_TRUE(server.service.draining);
    now += 19999;
    drain_tick(&server);
    expect_calls("");
    now += 1;
    drain_tick(&server);
    expect_calls("reject1(shutting-down) reject2(shutting-down) ");
    finish(7);
}

static void test_second_signal_while_leaving(void)
{
    begin();
    server.service.settings.lame_duck_seconds = 10;
    connect_two();
    drain_start(&server);
    *call_log = '\0';
    drain_start(&server);
    expect_calls("deaf hub-drain drain1 drain2 close1 close2 ");
    server.service.connections = 0;
    drain_tick(&server);
    expect_calls("stop ");
    finish(7);
}

void add_reload_tests(void)
{
    CU_pSuite suite = CU_add_suite("reload", NULL, NULL);
    CU_add_test(suite, "settings alone", test_settings_alone);
    CU_add_test(suite, "failures", test_failures);
    CU_add_test(suite, "what is opened", test_what_is_opened);
    CU_add_test(suite, "what needs a restart", test_what_needs_a_restart);
    CU_add_test(suite, "again", test_again);
    CU_add_test(suite, "reload and stop", test_reload_and_stop);
    CU_add_test(suite, "loss", test_loss);
    CU_add_test(suite, "drain", test_drain);
    CU_add_test(suite, "drain takes too long", test_drain_takes_too_long);
    CU_add_test(suite, "second signal", test_second_signal);
    CU_add_test(suite, "leaving", test_leaving);
    CU_add_test(suite, "second signal while leaving", test_second_signal_while_leaving);
}
