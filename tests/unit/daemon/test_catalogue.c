// SPDX-License-Identifier: MIT
/* The daemon's list of models, with models, files and a clock that the tests move by hand. */
#define served_model_load     fake_model_load
#define served_model_acquire  fake_model_take
#define served_model_release  fake_model_release_entry
#define model_facts_read      fake_facts_read
#define model_facts_finish    fake_facts_finish
#define hearken_find_model    fake_find_model
#define hearken_model_backend fake_backend
#define uv_hrtime             fake_hrtime
#define uv_timer_init         fake_timer_init
#define uv_timer_start        fake_timer_start
#define uv_timer_stop         fake_timer_stop
#define model_list_read       tested_list_read
#define model_list_finish     tested_list_finish
#define model_list_check      tested_list_check
#define model_entry_name      tested_entry_name
#define catalogue_init        tested_init
#define catalogue_finish      tested_finish
#define catalogue_replace     tested_replace
#define catalogue_find        tested_find
#define catalogue_list_names  tested_list_names
#define catalogue_acquire     tested_take
#define catalogue_is_busy     tested_is_busy

#include "daemon/models/catalogue.c"
#include "tests/unit/common/call_log.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>

void add_catalogue_tests(void);

#define SECOND UINT64_C(1000000000)

/* ---- Models ---- */

struct served_model *fake_model_load(struct model_owner *owner, const char *file,
                                     const struct settings *settings, const char *excluded_backend,
                                     struct log *log)
{
    (void)settings;
    (void)log;
    struct served_model *model = calloc(1, sizeof(*model));
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    *model = (struct served_model){
        .owner = owner,
        .file = strdup(file),
        .state = SERVED_LOADING,
        .references = 2,
    };
    owner->busy++;
    note("load(%s%s%s) ", file, excluded_backend ? " not " : "",
         excluded_backend ? excluded_backend : "");
    return model;
}

struct served_model *fake_model_take(struct served_model *model)
{
    if (model)
        model->references++;
    return model;
}

void fake_model_release_entry(struct served_model *model)
{
    if (!model)
        return;
    if (--model->references == 0) {
        note("close(%s) ", model->file);
        free(model->file);
        free(model);
    } else if (model->references == 1 && model->owner) {
        model->idle_since = uv_hrtime();
        model->owner->idle(model->owner->context);
    }
}

/* The thread that loads is done. */
static void load_ends(struct served_model *model, enum served_state state)
{
    model->state = state;
    model->owner->busy--;
    model->owner->loaded(model->owner->context, model);
    fake_model_release_entry(model);
}

const char *fake_backend(const struct hearken_model *model)
{
    (void)model;
    return "gpu";
}

/* ---- Files ---- */

static int facts_status;

/* A file's own name is its path's, in brackets. */
int fake_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error)
{
    char name[80];
    snprintf(name, sizeof(name), "<%s>", file);
    *facts = (struct model_facts){.name = strdup(name)};
    return facts_status < 0 ? hearken_fail(error, facts_status, "%s: no good", file) : 0;
}

void fake_facts_finish(struct model_facts *facts)
{
    free(facts->name);
    *facts = (struct model_facts){0};
}

char *fake_find_model(const char *name, char *path, size_t size)
{
    (void)name;
    (void)path;
    (void)size;
    return NULL;
}

/* ---- The clock ---- */

static uint64_t now;
static uint64_t timer_due; /* 0: it does not run */
static uv_timer_cb timer_callback;

uint64_t fake_hrtime(void)
{
    return now;
}

int fake_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    *timer = (uv_timer_t){.data = NULL};
    return 0;
}

int fake_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    (void)timer;
    (void)repeat;
    timer_callback = callback;
    timer_due = now + timeout * 1000000;
    return 0;
}

int fake_timer_stop(uv_timer_t *timer)
{
    (void)timer;
    timer_due = 0;
    return 0;
}

/* ---- A catalogue ---- */

static struct log quiet;
static struct settings settings;
static struct catalogue catalogue;
static unsigned default_losses;

static void go_to(uint64_t seconds)
{
    uint64_t until = seconds * SECOND;
    while (timer_due != 0 && timer_due <= until) {
        now = timer_due;
        timer_due = 0;
        timer_callback(&catalogue.timer);
    }
    now = until;
}

static void on_default_loss(void *context)
{
    (void)context;
    default_losses++;
}

/* The default, "d", and others; each as name, file. */
static struct model_list make_list(const char *standard, size_t count, struct named_model *models)
{
    struct model_list list;
    struct hearken_error error = {""};
    settings.model_file = (char *)(uintptr_t)standard;
    settings.models = models;
    settings.model_count = count;
    EXPECT_EQUAL_FATAL(model_list_read(&list, &settings, &error), 0);
    EXPECT_EQUAL_FATAL(list.count, count + 1);
    return list;
}

static void replace(const char *standard, size_t count, struct named_model *models, bool reload_all)
{
    struct model_list list = make_list(standard, count, models);
    catalogue_replace(&catalogue, &list, reload_all, NULL);
    CU_ASSERT_PTR_NULL(list.entries);
}

static void begin(void)
{
    log_init(&quiet, HEARKEN_LOG_ERROR);
    settings = (struct settings){.model_keep = true, .model_release_seconds = 10};
    now = timer_due = 0;
    facts_status = 0;
    default_losses = 0;
    *call_log = '\0';
    catalogue_init(&catalogue, NULL, &settings, &quiet);
    catalogue.default_lost = on_default_loss;
    struct named_model others[] = {{(char[]){"a"}, (char[]){"a.gguf"}},
                                   {(char[]){"b"}, (char[]){"b.gguf"}}};
    replace("d", 2, others, false);
}

static struct served_model *take(const char *name)
{
    struct served_model *model = catalogue_acquire(&catalogue, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

static struct served_model *take_ready(const char *name)
{
    struct served_model *model = take(name);
    load_ends(model, SERVED_READY);
    return model;
}

static void finish(const char *expected)
{
    catalogue_finish(&catalogue);
    expect_calls(expected);
}

/* ---- Tests ---- */

static void test_names(void)
{
    char names[40], few[6];
    begin();
    EXPECT_EQUAL_STRING(catalogue_find(&catalogue, "")->file, "d");
    EXPECT_EQUAL_STRING(catalogue_find(&catalogue, "<d>")->file, "d");
    EXPECT_EQUAL_STRING(catalogue_find(&catalogue, "b")->file, "b.gguf");
    CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "c"));
    CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "<b.gguf>"));
    CU_ASSERT_PTR_NULL(catalogue_acquire(&catalogue, "c"));
    catalogue_list_names(&catalogue, names, sizeof(names));
    EXPECT_EQUAL_STRING(names, "<d>, a, b");
    catalogue_list_names(&catalogue, few, sizeof(few));
    EXPECT_EQUAL_STRING(few, "<d>, ");
    finish("");
}

/* The default's own name, and errors that say nothing of the file. */
static void test_lists_that_are_refused(void)
{
    struct model_list list;
    struct hearken_error error;
    struct named_model same = {(char[]){"<d>"}, (char[]){"a.gguf"}};
    begin();
    settings.models = &same;
    settings.model_count = 1;
    EXPECT_EQUAL(model_list_read(&list, &settings, &error), -EINVAL);
    EXPECT_EQUAL_STRING(error.message, "[model <d>]: the default model, d, has the same "
                                       "name: rename the section");
    CU_ASSERT_PTR_NULL(list.entries);
    static const int passed_on[] = {-ENOMEM, -EMFILE, -ENFILE};
    settings.model_count = 0;
    for (size_t i = 0; i < 3; i++) {
        facts_status = passed_on[i];
        EXPECT_EQUAL(model_list_read(&list, &settings, &error), passed_on[i]);
    }
    facts_status = -ENOENT;
    EXPECT_EQUAL(model_list_read(&list, &settings, &error), 0);
    model_list_finish(&list);
    finish("");
}

/* Loaded once, for all who ask meanwhile; released when nobody has used it for so long. */
static void test_first_use(void)
{
    begin();
    struct served_model *first = take("a"), *second = take("a");
    EXPECT_EQUAL(first, second);
    CU_ASSERT_TRUE(catalogue_is_busy(&catalogue));
    load_ends(first, SERVED_READY);
    CU_ASSERT_FALSE(catalogue_is_busy(&catalogue));
    go_to(100); /* in use all the time */
    fake_model_release_entry(first);
    go_to(200);
    expect_calls("load(a.gguf) ");
    fake_model_release_entry(second);
    go_to(209);
    expect_calls("");
    struct served_model *third = take("a"); /* just in time */
    go_to(230);
    fake_model_release_entry(third);
    go_to(239);
    expect_calls("");
    go_to(241);
    expect_calls("close(a.gguf) ");
    EXPECT_EQUAL(timer_due, 0);
    fake_model_release_entry(take_ready("a"));
    expect_calls("load(a.gguf) ");
    finish("close(a.gguf) ");
}

/* Each at its own time, by one timer. */
static void test_release_of_several(void)
{
    begin();
    struct served_model *a = take_ready("a"), *b = take_ready("b");
    go_to(3);
    fake_model_release_entry(b);
    go_to(8);
    fake_model_release_entry(a);
    *call_log = '\0';
    go_to(14);
    expect_calls("close(b.gguf) ");
    go_to(19);
    expect_calls("close(a.gguf) ");
    finish("");
}

static void test_default_is_kept(void)
{
    begin();
    fake_model_release_entry(take_ready(""));
    go_to(1000);
    expect_calls("load(d) ");
    settings.model_keep = false;
    replace("d", 0, NULL, false);
    go_to(1011);
    expect_calls("close(d) ");
    settings.model_release_seconds = 0; /* never */
    fake_model_release_entry(take_ready(""));
    go_to(100000);
    expect_calls("load(d) ");
    finish("close(d) ");
}

/* The request that waits still has the model that failed; the next one tries again. */
static void test_failed_load(void)
{
    begin();
    struct served_model *model = take("a");
    log_set_level(&quiet, (enum hearken_log_level) - 1);
    load_ends(model, SERVED_FAILED);
    CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "a")->model);
    struct served_model *again = take("a");
    EXPECT_NOT_EQUAL(again, model);
    expect_calls("load(a.gguf) load(a.gguf) ");
    fake_model_release_entry(model);
    expect_calls("close(a.gguf) ");
    load_ends(again, SERVED_READY);
    fake_model_release_entry(again);
    finish("close(a.gguf) ");
}

/* Gone from the configuration while it is used: it serves to the end, and no longer. */
static void test_removed_in_use(void)
{
    struct named_model rest = {(char[]){"b"}, (char[]){"b.gguf"}};
    begin();
    struct served_model *ready = take_ready("a");
    replace("d", 1, &rest, false);
    CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "a"));
    CU_ASSERT_PTR_NULL(catalogue_acquire(&catalogue, "a"));
    expect_calls("load(a.gguf) ");
    EXPECT_EQUAL(ready->references, 1);
    fake_model_release_entry(ready);
    expect_calls("close(a.gguf) ");
    struct served_model *loading = take("b"); /* gone before it is loaded */
    replace("d", 0, NULL, false);
    load_ends(loading, SERVED_READY);
    expect_calls("load(b.gguf) ");
    fake_model_release_entry(loading);
    finish("close(b.gguf) ");
}

/* The same file stays loaded; another one, or a changed one, or all if so wanted, do not. */
static void test_replaced(void)
{
    struct named_model same[] = {{(char[]){"a"}, (char[]){"a.gguf"}},
                                 {(char[]){"b"}, (char[]){"other.gguf"}}};
    begin();
    fake_model_release_entry(take_ready("a"));
    fake_model_release_entry(take_ready("b"));
    struct served_model *kept = catalogue_find(&catalogue, "a")->model;
    *call_log = '\0';
    replace("d", 2, same, false);
    expect_calls("close(b.gguf) ");
    EXPECT_EQUAL(catalogue_find(&catalogue, "a")->model, kept);
    EXPECT_EQUAL_STRING(catalogue_find(&catalogue, "a")->backend, "gpu");
    catalogue.list.entries[1].file_status.st_size = 7;
    replace("d", 2, same, false);
    expect_calls("close(a.gguf) ");
    fake_model_release_entry(take_ready("a"));
    *call_log = '\0';
    replace("d", 2, same, true);
    finish("close(a.gguf) ");
}

/* A new default takes the old one's place, which its requests keep to their end. */
static void test_new_default(void)
{
    struct model_owner nowhere = {.busy = 0};
    begin();
    struct served_model *old = take_ready("");
    struct served_model *fresh = fake_model_load(&nowhere, "new", &settings, NULL, &quiet);
    fresh->references = 1;
    fresh->state = SERVED_READY;
    *call_log = '\0';
    struct model_list list = make_list("new", 0, NULL);
    catalogue_replace(&catalogue, &list, false, fresh);
    EXPECT_EQUAL(take(""), fresh);
    EXPECT_EQUAL(fresh->owner, &catalogue.owner);
    fake_model_release_entry(fresh);
    expect_calls("");
    fake_model_release_entry(old);
    expect_calls("close(d) ");
    finish("close(new) ");
}

/* One whose device failed is loaded on another backend at its next use; reload.c handles the
 * default. */
static void test_loss(void)
{
    begin();
    log_set_level(&quiet, (enum hearken_log_level) - 1);
    struct served_model *a = take_ready("a"), *standard = take_ready("");
    *call_log = '\0';
    catalogue.owner.lost(catalogue.owner.context, a);
    EXPECT_EQUAL(default_losses, 0);
    CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "a")->model);
    struct served_model *again = take("a");
    expect_calls("load(a.gguf not gpu) ");
    fake_model_release_entry(a);
    expect_calls("close(a.gguf) ");
    load_ends(again, SERVED_READY);
    fake_model_release_entry(again);
    catalogue.owner.lost(catalogue.owner.context, standard);
    EXPECT_EQUAL(default_losses, 1);
    fake_model_release_entry(standard);
    finish("close(d) close(a.gguf) ");
}

void add_catalogue_tests(void)
{
    CU_pSuite suite = CU_add_suite("catalogue", NULL, NULL);
    CU_add_test(suite, "names", test_names);
    CU_add_test(suite, "lists that are refused", test_lists_that_are_refused);
    CU_add_test(suite, "first use", test_first_use);
    CU_add_test(suite, "release of several", test_release_of_several);
    CU_add_test(suite, "the default is kept", test_default_is_kept);
    CU_add_test(suite, "failed load", test_failed_load);
    CU_add_test(suite, "removed in use", test_removed_in_use);
    CU_add_test(suite, "replaced", test_replaced);
    CU_add_test(suite, "new default", test_new_default);
    CU_add_test(suite, "loss", test_loss);
}
