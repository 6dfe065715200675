// SPDX-License-Identifier: MIT
/* Finding and choosing plugins, good ones and those of tests/unit/plugins. */
#include "plugins/host/plugin_host.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_plugin_host_tests(void);

/* ---- Directories of plugins ---- */

#define MAX_LINKS 8

/* A directory with links to plugins, or files of any content. */
struct folder {
    char path[64];
    char *links[MAX_LINKS];
    size_t count;
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value)
        printf("\n    %s is not set: it has to name the directory of the plugins ", name);
    CU_ASSERT_FATAL(value && *value);
    return value;
}

static void make_folder(struct folder *folder)
{
    *folder = (struct folder){.path = "/tmp/hearken-plugins-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder->path));
}

static void add_link(struct folder *folder, const char *directory, const char *file, const char *as)
{
    char target[4096];
    snprintf(target, sizeof(target), "%s/%s", directory, file);
    EXPECT_EQUAL_FATAL(access(target, R_OK), 0);
    char **link = &folder->links[folder->count++];
    CU_ASSERT_FATAL(asprintf(link, "%s/%s", folder->path, as) > 0);
    EXPECT_EQUAL_FATAL(symlink(target, *link), 0);
}

static void add_good(struct folder *folder, const char *as)
{
    add_link(folder, variable("HEARKEN_PLUGIN_DIR"), "reference.so", as);
}

static void add_bad(struct folder *folder, const char *file)
{
    add_link(folder, variable("HEARKEN_BAD_PLUGIN_DIR"), file, file);
}

static void add_file(struct folder *folder, const char *name, const char *content)
{
    char **path = &folder->links[folder->count++];
    CU_ASSERT_FATAL(asprintf(path, "%s/%s", folder->path, name) > 0);
    FILE *file = fopen(*path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(content, file);
    fclose(file);
}

static void remove_folder(struct folder *folder)
{
    while (folder->count > 0) {
        char *link = folder->links[--folder->count];
        unlink(link);
        free(link);
    }
    EXPECT_EQUAL(rmdir(folder->path), 0);
}

/* ---- Opening ---- */

static bool says(const struct hearken_error *error, const char *part)
{
    if (strstr(error->message, part))
        return true;
    printf("\n    '%s' does not say '%s' ", error->message, part);
    return false;
}

static int open_from(const char *directory, const char *backend, struct compute **compute,
                     struct hearken_error *error)
{
    const struct hearken_backend_options options = {
        .struct_size = sizeof(options), .backend = backend, .plugin_directory = directory};
    *compute = NULL;
    error->message[0] = 0;
    return compute_open(&options, compute, error);
}

static void opens(const char *directory, const char *backend, const char *name)
{
    struct compute *compute;
    struct hearken_error error;
    EXPECT_EQUAL(open_from(directory, backend, &compute, &error), 0);
    if (!compute)
        printf("\n    %s ", error.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(compute);
    EXPECT_EQUAL_STRING(compute->plugin->name, name);
    EXPECT_EQUAL(compute->kernels, compute->plugin->kernels);
    CU_ASSERT_PTR_NOT_NULL(compute->backend);
    compute_destroy(compute);
}

static void refuses(const char *directory, const char *backend, int code, const char *part)
{
    struct compute *compute;
    struct hearken_error error;
    EXPECT_EQUAL(open_from(directory, backend, &compute, &error), code);
    CU_ASSERT_PTR_NULL(compute);
    CU_ASSERT(says(&error, part));
    compute_destroy(compute);
}

static void test_by_name(void)
{
    struct folder folder;
    make_folder(&folder);
    add_good(&folder, "anything.so"); /* what it says counts, not its file's name */
    opens(folder.path, "reference", "reference");
    refuses(folder.path, "anything", -ENODEV, "no backend 'anything'");
    remove_folder(&folder);
    opens(variable("HEARKEN_PLUGIN_DIR"), "reference", "reference");
}

static void test_automatic(void)
{
    struct folder folder;
    make_folder(&folder);
    add_good(&folder, "reference.so");
    add_bad(&folder, "score_zero.so");
    add_bad(&folder, "wrong_abi.so");
    opens(folder.path, "auto", "reference");
    opens(folder.path, NULL, "reference");
    remove_folder(&folder);
    struct compute *compute = NULL;
    EXPECT_EQUAL(compute_open(NULL, &compute, NULL), 0); /* from HEARKEN_PLUGIN_DIR */
    CU_ASSERT_PTR_NOT_NULL(compute);
    compute_destroy(compute);
    compute_destroy(NULL);
}

static void test_unknown_name(void)
{
    struct folder folder;
    make_folder(&folder);
    add_good(&folder, "reference.so");
    add_bad(&folder, "score_zero.so");
    refuses(folder.path, "abacus", -ENODEV, "no backend 'abacus' in /tmp/hearken-plugins-");
    refuses(folder.path, "abacus", -ENODEV, "expected auto, reference, score-zero");
    refuses(folder.path, "", -ENODEV, "no backend ''");
    refuses(folder.path, "Reference", -ENODEV, "no backend 'Reference'");
    refuses(folder.path, "../reference", -ENODEV, "no backend '../reference'");
    refuses(folder.path, "referenc", -ENODEV, "no backend 'referenc'");
    remove_folder(&folder);
}

/* A name of any length, and the names known, are cut and not written beyond their room. */
static void test_long_names(void)
{
    char name[2000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    struct folder folder;
    make_folder(&folder);
    for (size_t i = 0; i < MAX_LINKS; i++) {
        char file[80];
        snprintf(file, sizeof(file), "%zu%.70s.so", i, name);
        add_file(&folder, file, "");
    }
    refuses(folder.path, name, -ENODEV, "no backend 'nnnn");
    refuses(folder.path, "abacus", -ENODEV, "expected auto, 0nnnn");
    remove_folder(&folder);
}

static void test_cannot_run_here(void)
{
    struct folder folder;
    make_folder(&folder);
    add_good(&folder, "reference.so");
    add_bad(&folder, "score_zero.so");
    refuses(folder.path, "score-zero", -ENODEV,
            "backend 'score-zero' cannot run here: the stars are not right");
    remove_folder(&folder);
}

/* ---- Bad plugins ---- */

static const struct {
    const char *file, *name, *reason;
} bad[] = {
    {"wrong_abi.so", "wrong_abi", "built for plugin ABI 8, expected 2"},
    {"wrong_size.so", "wrong_size", "its plugin struct has "},
    {"wrong_table_size.so", "wrong_table_size", "its kernel table has "},
    {"bad_name.so", "bad_name", "its name is invalid: expected 1 to 63 characters of a-z, 0-9"},
    {"no_symbol.so", "no_symbol", "not a plugin: no symbol 'hearken_plugin'"},
    {"unruly_probe.so", "unruly-probe", "rrrrrrrrrrrrrrrr"},
};

#define BAD (sizeof(bad) / sizeof(*bad))

static void test_each_bad_plugin(void)
{
    for (size_t i = 0; i < BAD; i++) {
        struct folder folder;
        char start[64];
        make_folder(&folder);
        add_bad(&folder, bad[i].file);
        snprintf(start, sizeof(start), "backend '%s' cannot run here: ", bad[i].name);
        refuses(folder.path, bad[i].name, -ENODEV, start);
        refuses(folder.path, bad[i].name, -ENODEV, bad[i].reason);
        refuses(folder.path, "auto", -ENODEV, bad[i].reason); /* the reason of the only one */
        add_good(&folder, "reference.so");
        opens(folder.path, "auto", "reference");
        remove_folder(&folder);
    }
}

/* Each of what a plugin consists of. */
static void test_each_part_missing(void)
{
    static const char *const functions[] = {
        "name",          "description",    "probe",        "backend_create", "backend_destroy",
        "tensor_create", "tensor_destroy", "queue_create", "queue_destroy",  "kernels"};
    static const char *const kernels[] = {
        "buffer_create", "memory_create", "buffer_destroy", "write",       "read",
        "linear",        "convolve",      "layer_norm",     "self_attend", "attend",
        "lstm",          "embed",         "reorder",        "log_softmax", "top_k"};
    struct folder folder;
    make_folder(&folder);
    add_bad(&folder, "missing_part.so");
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        setenv("HEARKEN_TEST_MISSING", functions[i], 1);
        refuses(folder.path, "missing_part", -ENODEV, "its plugin struct lacks ");
    }
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        char part[64];
        setenv("HEARKEN_TEST_MISSING", kernels[i], 1);
        snprintf(part, sizeof(part), "its kernel table lacks '%s'", kernels[i]);
        refuses(folder.path, "missing_part", -ENODEV, part);
    }
    remove_folder(&folder);
}

/* Neither those that were not chosen nor, when it is done, the one that was stay loaded. */
static void test_libraries_are_closed(void)
{
    struct folder folder;
    struct compute *compute;
    struct hearken_error error;
    make_folder(&folder);
    add_good(&folder, "reference.so");
    add_bad(&folder, "score_zero.so");
    add_bad(&folder, "wrong_abi.so");
    EXPECT_EQUAL_FATAL(open_from(folder.path, "auto", &compute, &error), 0);
    CU_ASSERT_PTR_NULL(dlopen(folder.links[1], RTLD_NOW | RTLD_NOLOAD));
    CU_ASSERT_PTR_NULL(dlopen(folder.links[2], RTLD_NOW | RTLD_NOLOAD));
    void *chosen = dlopen(folder.links[0], RTLD_NOW | RTLD_NOLOAD);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chosen);
    dlclose(chosen);
    compute_destroy(compute);
    CU_ASSERT_PTR_NULL(dlopen(folder.links[0], RTLD_NOW | RTLD_NOLOAD));
    remove_folder(&folder);
}

/* Drivers cannot be unloaded: the plugins that bring them stay out unless they are chosen. */
static void test_others_stay_out(void)
{
    struct compute *compute = NULL;
    char *line = NULL;
    size_t size = 0, foreign = 0, mine = 0;
    EXPECT_EQUAL(compute_open(NULL, &compute, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(compute);
    FILE *maps = fopen("/proc/self/maps", "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(maps);
    while (getline(&line, &size, maps) > 0) {
        const char *file = strstr(line, "/hearken/");
        char own[80];
        snprintf(own, sizeof(own), "/hearken/%s.so\n", compute->plugin->name);
        mine += file && strcmp(file, own) == 0;
        foreign += file && strstr(file, ".so\n") && strcmp(file, own) != 0;
    }
    CU_ASSERT(mine > 0);
    EXPECT_EQUAL(foreign, 0);
    fclose(maps);
    free(line);
    compute_destroy(compute);
}

static void test_no_library(void)
{
    struct folder folder;
    make_folder(&folder);
    add_file(&folder, "text.so", "this is text");
    add_file(&folder, "empty.so", "");
    refuses(folder.path, "text", -ENODEV, "backend 'text' cannot run here: ");
    refuses(folder.path, "text", -ENODEV, "text.so");
    refuses(folder.path, "empty", -ENODEV, "backend 'empty' cannot run here: ");
    refuses(folder.path, "auto", -ENODEV, "no plugin in ");
    remove_folder(&folder);
}

/* By name its failure is the answer; where the choice is free, the next best is taken. */
static void test_backend_that_fails(void)
{
    struct folder folder;
    make_folder(&folder);
    add_bad(&folder, "backend_fails.so");
    refuses(folder.path, "backend-fails", -EIO, "backend 'backend-fails' cannot be opened: ");
    refuses(folder.path, "auto", -EIO, "backend 'backend-fails' cannot be opened: ");
    add_bad(&folder, "score_zero.so");
    refuses(folder.path, "auto", -EIO, "backend 'backend-fails' cannot be opened: ");
    add_good(&folder, "reference.so");
    refuses(folder.path, "backend-fails", -EIO, "backend 'backend-fails' cannot be opened: ");
    opens(folder.path, "auto", "reference");
    remove_folder(&folder);
}

/* ---- Directories ---- */

static void test_directories(void)
{
    struct folder folder;
    make_folder(&folder);
    refuses(folder.path, "auto", -ENODEV, "(there is none)");
    refuses(folder.path, "reference", -ENODEV, "no backend 'reference' in ");
    add_file(&folder, "file", "");
    refuses(folder.links[0], "auto", -ENOTDIR, folder.links[0]);
    remove_folder(&folder);
    refuses(folder.path, "auto", -ENOENT, folder.path);
    refuses("", "auto", -ENOENT, "plugin directory");
}

/* Only *.so, and none that is hidden. */
static void test_files_that_do_not_count(void)
{
    static const char *const names[] = {".hidden.so", "reference.so.1", "reference", "so", ".so"};
    struct folder folder;
    make_folder(&folder);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        add_good(&folder, names[i]);
    refuses(folder.path, "auto", -ENODEV, "(there is none)");
    remove_folder(&folder);
}

/* Without a directory named, plugins that lie about where the program was started are not loaded.
 */
static void test_not_the_current_directory(void)
{
    struct folder folder, inner;
    char before[4096], *known = strdup(variable("HEARKEN_PLUGIN_DIR"));
    make_folder(&folder);
    add_good(&folder, "reference.so");
    inner = folder;
    inner.count = 0;
    strncat(inner.path, "/hearken", sizeof(inner.path) - strlen(inner.path) - 1);
    EXPECT_EQUAL_FATAL(mkdir(inner.path, 0700), 0);
    add_good(&inner, "reference.so");
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof(before)));
    EXPECT_EQUAL_FATAL(chdir(folder.path), 0);
    for (int i = 0; i < 2; i++) {
        struct compute *compute = NULL;
        if (i == 0)
            unsetenv("HEARKEN_PLUGIN_DIR");
        else
            setenv("HEARKEN_PLUGIN_DIR", "", 1);
        CU_ASSERT(compute_open(NULL, &compute, NULL) < 0);
        CU_ASSERT_PTR_NULL(compute);
        compute_destroy(compute);
    }
    EXPECT_EQUAL_FATAL(chdir(before), 0);
    setenv("HEARKEN_PLUGIN_DIR", known, 1);
    free(known);
    remove_folder(&inner);
    remove_folder(&folder);
}

/* What the caller names comes before the environment. */
static void test_named_directory_comes_first(void)
{
    struct folder folder;
    make_folder(&folder);
    CU_ASSERT_STRING_NOT_EQUAL(variable("HEARKEN_PLUGIN_DIR"), folder.path);
    refuses(folder.path, "reference", -ENODEV, folder.path);
    remove_folder(&folder);
}

/* ---- Reports ---- */

struct reports {
    size_t count, unnamed;
    int before;
    bool ordered, told, found_reference, found_zero, found_long;
};

static void take_report(void *context, const struct hearken_plugin_report *report)
{
    struct reports *r = context;
    r->count++;
    r->ordered &= report->score <= r->before;
    r->before = report->score;
    r->told &= report->reason && *report->reason && report->path && strchr(report->path, '/');
    r->unnamed += !report->name;
    if (!report->name)
        r->told &= report->score < 0 && !report->description;
    else if (strcmp(report->name, "reference") == 0)
        r->found_reference = report->score > 0 && *report->description;
    else if (strcmp(report->name, "score-zero") == 0)
        r->found_zero =
            report->score == 0 && strcmp(report->reason, "the stars are not right") == 0;
    else if (strcmp(report->name, "unruly-probe") == 0)
        r->found_long = report->score == 0 && strlen(report->reason) == 255;
}

static void test_list(void)
{
    struct folder folder;
    struct reports reports = {.before = 2000000000, .ordered = true, .told = true};
    make_folder(&folder);
    add_bad(&folder, "wrong_size.so");
    add_bad(&folder, "score_zero.so");
    add_bad(&folder, "unruly_probe.so");
    add_bad(&folder, "wrong_abi.so");
    add_bad(&folder, "backend_fails.so");
    add_good(&folder, "reference.so");
    add_file(&folder, "text.so", "this is text");
    const struct hearken_backend_options options = {.struct_size = sizeof(options),
                                                    .plugin_directory = folder.path};
    EXPECT_EQUAL(hearken_plugins_list(&options, take_report, &reports, NULL), 0);
    EXPECT_EQUAL(reports.count, 7);
    EXPECT_EQUAL(reports.unnamed, 3);
    CU_ASSERT(reports.ordered && reports.told);
    CU_ASSERT(reports.found_reference && reports.found_zero && reports.found_long);
    remove_folder(&folder);
    struct hearken_error error = {""};
    reports.count = 0;
    EXPECT_EQUAL(hearken_plugins_list(&options, take_report, &reports, &error), -ENOENT);
    CU_ASSERT(says(&error, folder.path));
    EXPECT_EQUAL(reports.count, 0);
    EXPECT_EQUAL(hearken_plugins_list(NULL, take_report, &reports, &error), 0);
    CU_ASSERT(reports.count >= 1);
}

/* ---- What plugins are told, and what they tell ---- */

struct lines {
    size_t count;
    struct {
        enum hearken_log_level level;
        char text[512];
    } line[32];
};

static void take_line(void *context, enum hearken_log_level level, const char *message)
{
    struct lines *lines = context;
    if (lines->count == 32)
        return;
    lines->line[lines->count].level = level;
    snprintf(lines->line[lines->count].text, sizeof(lines->line[0].text), "%s", message);
    lines->count++;
}

/* The first line that holds `part`, or NULL; its level to `level`. */
static const char *find_line(const struct lines *lines, const char *part,
                             enum hearken_log_level *level)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strstr(lines->line[i].text, part)) {
            *level = lines->line[i].level;
            return lines->line[i].text;
        }
    printf("\n    no line says '%s' ", part);
    return NULL;
}

static void has_line(const struct lines *lines, const char *part, enum hearken_log_level expected)
{
    enum hearken_log_level level = HEARKEN_LOG_ERROR;
    CU_ASSERT_PTR_NOT_NULL(find_line(lines, part, &level));
    EXPECT_EQUAL(level, expected);
}

static void test_log(void)
{
    static struct lines lines;
    struct folder folder;
    struct compute *compute = NULL;
    char mask[32] = "avx512,amx";
    make_folder(&folder);
    add_bad(&folder, "backend_fails.so");
    add_bad(&folder, "score_zero.so");
    add_bad(&folder, "wrong_abi.so");
    add_good(&folder, "reference.so");
    const struct hearken_backend_options options = {
        .struct_size = sizeof(options),
        .plugin_directory = folder.path,
        .cpu_mask = mask,
        .threads = 3,
        .log = take_line,
        .log_context = &lines,
    };
    lines.count = 0;
    EXPECT_EQUAL(compute_open(&options, &compute, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(compute);
    has_line(&lines, "probe: size 1, mask avx512,amx, threads 3", HEARKEN_LOG_DEBUG);
    has_line(&lines, "a level that there is not", HEARKEN_LOG_DEBUG);
    has_line(&lines, "backend_create fails", HEARKEN_LOG_ERROR);
    has_line(&lines, "backend 'backend-fails' cannot be opened", HEARKEN_LOG_WARNING);
    has_line(&lines, "score-zero: score 0: the stars are not right", HEARKEN_LOG_INFO);
    has_line(&lines, "wrong_abi.so: score -1: built for plugin ABI 8", HEARKEN_LOG_INFO);
    has_line(&lines, "backend reference: score 1: ", HEARKEN_LOG_INFO);
    has_line(&lines, "backend reference chosen", HEARKEN_LOG_INFO);
    /* The plugin's host outlives the options. */
    memset(mask, 'x', sizeof(mask) - 1);
    EXPECT_EQUAL_STRING(compute->host.cpu_mask, "avx512,amx");
    compute->host.log(compute->host.log_context, HEARKEN_LOG_WARNING, "later");
    has_line(&lines, "later", HEARKEN_LOG_WARNING);
    compute_destroy(compute);
    remove_folder(&folder);
}

/* ---- Threads ---- */

static void *open_often(void *context)
{
    size_t *opened = context;
    for (int i = 0; i < 20; i++) {
        const struct hearken_backend_options options = {.struct_size = sizeof(options),
                                                        .backend = "reference"};
        struct hearken_error error;
        struct compute *compute = NULL;
        *opened += compute_open(&options, &compute, &error) == 0;
        compute_destroy(compute);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    size_t opened[4] = {0};
    variable("HEARKEN_PLUGIN_DIR");
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQUAL_FATAL(pthread_create(&threads[i], NULL, open_often, &opened[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQUAL(opened[i], 20);
    }
}

void add_plugin_host_tests(void)
{
    CU_pSuite suite = CU_add_suite("host", NULL, NULL);
    CU_ADD_TEST(suite, test_by_name);
    CU_ADD_TEST(suite, test_automatic);
    CU_ADD_TEST(suite, test_unknown_name);
    CU_ADD_TEST(suite, test_long_names);
    CU_ADD_TEST(suite, test_cannot_run_here);
    CU_ADD_TEST(suite, test_each_bad_plugin);
    CU_ADD_TEST(suite, test_each_part_missing);
    CU_ADD_TEST(suite, test_libraries_are_closed);
    CU_ADD_TEST(suite, test_others_stay_out);
    CU_ADD_TEST(suite, test_no_library);
    CU_ADD_TEST(suite, test_backend_that_fails);
    CU_ADD_TEST(suite, test_directories);
    CU_ADD_TEST(suite, test_files_that_do_not_count);
    CU_ADD_TEST(suite, test_not_the_current_directory);
    CU_ADD_TEST(suite, test_named_directory_comes_first);
    CU_ADD_TEST(suite, test_list);
    CU_ADD_TEST(suite, test_log);
    CU_ADD_TEST(suite, test_threads);
}
