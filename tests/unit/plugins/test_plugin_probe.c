// SPDX-License-Identifier: MIT
/* Plugins asked in a process of their own: what they do there, and what is kept of it. */
#include "plugins/common/disk_cache.h"
#include "plugins/host/plugin_host.h"
#include "plugins/host/plugin_probe.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void add_plugin_probe_tests(void);

/* ---- A folder with the plugin, a cache and a count of how often it was asked ---- */

static char *outer, *plugins, *plugin, *asked, *kept_cache;

static char *inside(const char *name)
{
    char *path;

    CU_ASSERT_FATAL(asprintf(&path, "%s/%s", outer, name) > 0);
    return path;
}

/* A copy, as its date will be changed. */
static void copy_plugin(void)
{
    static char bytes[1 << 20];
    char *from;

    CU_ASSERT_FATAL(asprintf(&from, "%s/misbehaving.so", getenv("HEARKEN_BAD_PLUGIN_DIR")) > 0);
    FILE *in = fopen(from, "rb"), *out = fopen(plugin, "wb");
    CU_ASSERT_FATAL(in && out);
    const size_t size = fread(bytes, 1, sizeof(bytes), in);
    EXPECT_EQUAL(fwrite(bytes, 1, size, out), size);
    fclose(in);
    fclose(out);
    free(from);
}

static void set_up(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");

    outer = strdup("/tmp/hearken-probe-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(outer && mkdtemp(outer) ? outer : NULL);
    plugins = inside("plugins");
    EXPECT_EQUAL_FATAL(mkdir(plugins, 0700), 0);
    plugin = inside("plugins/misbehaving.so");
    asked = inside("asked");
    copy_plugin();
    kept_cache = cache ? strdup(cache) : NULL;
    setenv("XDG_CACHE_HOME", outer, 1);
    setenv("HEARKEN_TEST_ASKED", asked, 1);
}

/* The one file of the cache, or NULL. */
static char *cache_file(void)
{
    char *folder = inside("hearken"), *found = NULL;
    DIR *files = opendir(folder);

    for (struct dirent *file; files && (file = readdir(files));)
        if (file->d_name[0] != '.') {
            CU_ASSERT_PTR_NULL(found);
            CU_ASSERT_FATAL(asprintf(&found, "%s/%s", folder, file->d_name) > 0);
        }
    if (files)
        closedir(files);
    free(folder);
    return found;
}

static void tear_down(void)
{
    char *file = cache_file(), *folder = inside("hearken");

    if (file)
        unlink(file);
    rmdir(folder);
    unlink(asked);
    unlink(plugin);
    rmdir(plugins);
    EXPECT_EQUAL(rmdir(outer), 0);
    if (kept_cache)
        setenv("XDG_CACHE_HOME", kept_cache, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    unsetenv("HEARKEN_TEST_ASKED");
    unsetenv("HEARKEN_TEST_MISBEHAVIOUR");
    free(file);
    free(folder);
    free(plugins);
    free(plugin);
    free(asked);
    free(kept_cache);
    free(outer);
}

/* ---- Asking it ---- */

static void discard(void *context, int level, const char *message)
{
    (void)context, (void)level, (void)message;
}

static const struct hearken_plugin_host host = {.struct_size = sizeof(host), .log = discard};

static struct plugin_answer ask_within(const char *misbehaviour, struct probe_limits limits)
{
    struct plugin_answer answer;
    char *helper;

    CU_ASSERT_FATAL(
        asprintf(&helper, "%s/../hearken/hearken-probe", getenv("HEARKEN_BAD_PLUGIN_DIR")) > 0);
    setenv("HEARKEN_TEST_MISBEHAVIOUR", misbehaviour, 1);
    plugin_probe(helper, plugin, &host, &limits, &answer);
    free(helper);
    answer_finish(&answer);
    return answer;
}

static struct plugin_answer ask(const char *misbehaviour)
{
    return ask_within(misbehaviour, probe_limits);
}

static void fails(struct plugin_answer answer, const char *reason)
{
    EXPECT_EQUAL(answer.outcome, PROBE_FAILED);
    EXPECT_EQUAL(answer.score, 0);
    if (!strstr(answer.reason, reason))
        printf("\n    '%s' does not say '%s' ", answer.reason, reason);
    EXPECT_CONTAINS(answer.reason, reason);
}

static void is_good(struct plugin_answer answer)
{
    EXPECT_EQUAL(answer.outcome, PROBE_ANSWERED);
    EXPECT_EQUAL(answer.score, 1);
    EXPECT_EQUAL_STRING(answer.name, "misbehaving");
    EXPECT_EQUAL_STRING(answer.reason, "0 left open");
}

static void test_ends(void)
{
    struct plugin_answer answer = ask("abort");

    fails(answer, "its probe was killed by signal 6 (Aborted); its last output: Not enough memory "
                  "to run on ?[1mthis device");
    EXPECT_EQUAL_STRING(answer.name, "misbehaving"); /* it got as far as that */
    fails(ask("exit"), "its probe exited with status 0 without an answer");
    answer = ask("crash");
    fails(answer, "its probe was killed by signal 11 (Segmentation fault)");
    EXPECT_EQUAL_STRING(answer.name, "");
}

static void test_takes_too_much(void)
{
    fails(ask_within("hang", (struct probe_limits){250, SIZE_MAX}),
          "its probe did not answer within 0.25 s");
    fails(ask_within("take", (struct probe_limits){60 * 1000, (size_t)512 << 20}),
          "its probe used more than 512 MiB of memory");
}

/* What it prints is not the program's, and what it writes to any descriptor is not believed. */
static void test_prints(void)
{
    is_good(ask("print"));
    fails(ask("lie"), "its probe sent an invalid answer");
}

static size_t open_descriptors(void)
{
    size_t count = 0;

    for (int file = 0; file < 256; file++)
        count += fcntl(file, F_GETFD) >= 0;
    return count;
}

/* Neither does it get what the program has open, nor does the program keep anything of it. */
static void test_leaves_nothing(void)
{
    const int inherited = dup2(STDIN_FILENO, 200); /* not closed on exec */

    EXPECT_EQUAL(inherited, 200);
    const size_t before = open_descriptors();
    is_good(ask(""));
    ask("abort");
    ask_within("hang", (struct probe_limits){50, SIZE_MAX});
    EXPECT_EQUAL(open_descriptors(), before);
    CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    close(inherited);
}

/* Of a program that has closed its own input, and that has its children forgotten. */
static void test_unusual_programs(void)
{
    const int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);

    close(STDIN_FILENO);
    is_good(ask(""));
    fails(ask("abort"), "its probe exited without an answer; its last output: Not enough memory");
    EXPECT_EQUAL(dup2(input, STDIN_FILENO), STDIN_FILENO);
    close(input);
    signal(SIGCHLD, before);
}

static void test_no_helper(void)
{
    struct plugin_answer answer;

    plugin_probe("/nowhere/hearken-probe", plugin, &host, &probe_limits, &answer);
    EXPECT_EQUAL(answer.outcome, PROBE_UNASKED);
    EXPECT_EQUAL(answer.score, 0);
    EXPECT_EQUAL_STRING(answer.reason,
                        "it cannot be probed: /nowhere/hearken-probe: No such file or directory");
    answer_finish(&answer);
}

/* ---- Lines of an answer ---- */

static int take(const char *const lines[], struct plugin_answer *answer)
{
    int result = 0;

    *answer = (struct plugin_answer){0};
    for (size_t i = 0; lines[i] && result == 0; i++)
        result = answer_parse_line(answer, lines[i]);
    answer_finish(answer);
    return result;
}

static void test_lines(void)
{
    static const char *const refused[][6] = {
        {"score 1", "reason r", "end"},            /* no name, but it can run */
        {"name n", "score -1", "reason r", "end"}, /* a name, but it was not loaded */
        {"name n", "score 1", "end"},              /* no reason */
        {"name n", "score 2147483648"},
        {"score 1 "},
        {"score "},
        {"score -2"},
        {"file relative"},
        {"name n", "score 1", "reason r", "end", "end"},
        {"unknown word"},
        {""},
        {" "},
    };
    struct plugin_answer answer;

    EXPECT_EQUAL(take((const char *[]){"name n", "description a b", "score 7", "reason r\x1b",
                                       "file /a b", "end", NULL},
                      &answer),
                 0);
    CU_ASSERT(answer.complete && answer.score == 7);
    EXPECT_EQUAL_STRING(answer.description, "a b");
    EXPECT_EQUAL_STRING(answer.reason, "r?");
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        EXPECT_EQUAL(take(refused[i], &answer), -EBADMSG);
}

/* ---- What is kept ---- */

static size_t times_asked(void)
{
    struct stat status;

    return stat(asked, &status) == 0 ? (size_t)status.st_size : 0;
}

/* Opens it, in vain in any case; how often it was asked by that. */
static size_t asked_by_opening(const char *expected)
{
    const struct hearken_backend_options options = {.struct_size = sizeof(options),
                                                    .plugin_directory = plugins};
    const size_t before = times_asked();
    struct compute *compute = NULL;
    struct hearken_error error = {""};

    CU_ASSERT(compute_open(&options, &compute, &error) < 0);
    if (!strstr(error.message, expected))
        printf("\n    '%s' does not say '%s' ", error.message, expected);
    EXPECT_CONTAINS(error.message, expected);
    return times_asked() - before;
}

#define MADE_NONE "backend 'misbehaving' cannot be opened: Input/output error"

static void count_reports(void *context, const struct hearken_plugin_report *report)
{
    ++*(int *)context;
    EXPECT_EQUAL(report->score, 1);
}

static void test_kept(void)
{
    const struct hearken_backend_options options = {.struct_size = sizeof(options),
                                                    .plugin_directory = plugins};
    int reports = 0;

    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 0);
    /* Who lists them wants to know how it is now. */
    const size_t before = times_asked();
    EXPECT_EQUAL(hearken_plugins_list(&options, count_reports, &reports, NULL), 0);
    CU_ASSERT(reports == 1 && times_asked() == before + 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 0);
}

static void test_asked_again(void)
{
    const struct timespec times[] = {{1, 0}, {1, 0}};

    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    EXPECT_EQUAL_FATAL(utimensat(AT_FDCWD, plugin, times, 0), 0);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 0);
    setenv("HEARKEN_OPENCL_DEVICE", "another", 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    unsetenv("HEARKEN_OPENCL_DEVICE");
    setenv("OCL_ICD_VENDORS", plugins, 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 0);
    char *driver = inside("plugins/a.icd");
    close(open(driver, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* a driver is installed */
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    unlink(driver);
    free(driver);
    unsetenv("OCL_ICD_VENDORS");
}

/* One that cannot run here today may do so tomorrow, and is quick to say so. */
static void test_refusal_is_not_kept(void)
{
    setenv("HEARKEN_TEST_MISBEHAVIOUR", "refuse", 1);
    for (int i = 0; i < 2; i++)
        EXPECT_EQUAL(asked_by_opening("the first reports: 0 left open"), 1);
    CU_ASSERT_PTR_NULL(cache_file());
}

/* The file of the cache with `from` made `to`, of the same length. */
static void change_kept(const char *from, const char *to)
{
    char *folder = inside("hearken");
    void *data;
    size_t size;

    EXPECT_EQUAL_FATAL(cache_read(folder, "probe", plugin, &data, &size), 0);
    char *at = memmem(data, size, from, strlen(from));
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at, to, strlen(to));
    EXPECT_EQUAL_FATAL(cache_write(folder, "probe", plugin, data, size), 0);
    free(data);
    free(folder);
}

/* For an hour, else a driver that hangs would hold up every start. */
static void test_failure_is_kept_for_a_while(void)
{
    char now[32], then[32];

    setenv("HEARKEN_TEST_MISBEHAVIOUR", "abort", 1);
    EXPECT_EQUAL(asked_by_opening("killed by signal 6"), 1);
    EXPECT_EQUAL(asked_by_opening("killed by signal 6"), 0);
    const long long time_now = (long long)time(NULL);
    snprintf(now, sizeof(now), "\nfailed %lld", time_now / 10000);
    snprintf(then, sizeof(then), "\nfailed %lld", time_now / 10000 - 1);
    change_kept(now, then);
    EXPECT_EQUAL(asked_by_opening("killed by signal 6"), 1);
    snprintf(then, sizeof(then), "\nfailed %lld", time_now / 10000 + 1); /* the clock was wrong */
    change_kept(now, then);
    EXPECT_EQUAL(asked_by_opening("killed by signal 6"), 1);
}

/* A file that holds something else is no answer. */
static void test_damaged(void)
{
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"identity ", "identitz "}, {"\nobject ", "\nobjekt "}, {"\nscore 1", "\nscore x"},
        {"\nscore 1", "\nscore 0"}, {"\nname m", "\nname\nm"},  {"\nend", "\nfoo"},
        {"\nend", "\n\nnd"},        {"\nreason", "\nReason"},
    };

    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        change_kept(changes[i].from, changes[i].to);
        EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
        EXPECT_EQUAL(asked_by_opening(MADE_NONE), 0);
    }
    char *file = cache_file();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    EXPECT_EQUAL_FATAL(truncate(file, 30), 0);
    free(file);
    EXPECT_EQUAL(asked_by_opening(MADE_NONE), 1);
}

void add_plugin_probe_tests(void)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown("probe", NULL, NULL, set_up, tear_down);

    CU_ADD_TEST(suite, test_ends);
    CU_ADD_TEST(suite, test_takes_too_much);
    CU_ADD_TEST(suite, test_prints);
    CU_ADD_TEST(suite, test_leaves_nothing);
    CU_ADD_TEST(suite, test_unusual_programs);
    CU_ADD_TEST(suite, test_no_helper);
    CU_ADD_TEST(suite, test_lines);
    CU_ADD_TEST(suite, test_kept);
    CU_ADD_TEST(suite, test_asked_again);
    CU_ADD_TEST(suite, test_refusal_is_not_kept);
    CU_ADD_TEST(suite, test_failure_is_kept_for_a_while);
    CU_ADD_TEST(suite, test_damaged);
}
