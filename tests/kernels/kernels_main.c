// SPDX-License-Identifier: MIT
/*
 * Runs every kernel of every plugin named on the command line against its formula in double
 * precision, or times them. See docs/plugins.md.
 */
#include "tests/kernels/subject.h"

#include <CUnit/Basic.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct check_group *const groups[] = {
    &memory_group,      &tensor_group, &linear_group, &convolve_group, &layer_norm_group,
    &self_attend_group, &attend_group, &lstm_group,   &embed_group,    &reorder_group,
    &log_softmax_group, &top_k_group,  &queues_group,
};

enum { GROUP_COUNT = sizeof(groups) / sizeof(groups[0]) };

struct options {
    uint64_t seed;
    bool bench, quick;
    const char *only; /* a kernel, or NULL */
    struct hearken_plugin_host host;
};

struct totals {
    unsigned passed, failed, skipped;
};

static void keep_message(void *context, int level, const char *message)
{
    (void)context;
    (void)level;
    snprintf(subject()->message, sizeof(subject()->message), "%s", message);
}

static uint64_t *seed(void)
{
    static uint64_t now;

    return &now;
}

/* ---- One plugin ---- */

static void start_test(void)
{
    char name[128];

    snprintf(name, sizeof(name), "%s: %s", CU_get_current_suite()->pName,
             CU_get_current_test()->pName);
    random_start(*seed(), name);
    subject()->message[0] = 0;
    if (subject()->plugin->queue_create(subject()->backend, &subject()->queue) != 0)
        CU_FAIL_FATAL("no queue could be made");
}

static void end_test(void)
{
    subject()->plugin->queue_destroy(subject()->queue);
    subject()->queue = NULL;
}

/* --quick leaves out the sizes of the network: they take most of the time, and the random sizes
 * cover every path. */
static bool is_left_out(const struct check *check)
{
    return subject()->quick && strcmp(check->name, "sizes of the network") == 0;
}

static void add_group(const struct check_group *group, bool bench)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown(group->kernel, NULL, NULL, start_test, end_test);

    if (bench) {
        if (group->bench)
            CU_add_test(suite, "bench", group->bench);
        return;
    }
    for (size_t check = 0; check < group->count; check++)
        if (!is_left_out(&group->checks[check]))
            CU_add_test(suite, group->checks[check].name, group->checks[check].run);
}

static void run_groups(const struct options *options, struct totals *totals)
{
    subject()->quick = options->quick;
    CU_initialize_registry();
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (!options->only || strcmp(options->only, groups[i]->kernel) == 0)
            add_group(groups[i], options->bench);
    CU_basic_set_mode(options->bench ? CU_BRM_SILENT : CU_BRM_VERBOSE);
    CU_basic_run_tests();
    if (options->bench)
        CU_basic_show_failures(CU_get_failure_list());
    totals->failed += CU_get_number_of_tests_failed();
    totals->passed += CU_get_number_of_tests_run() - CU_get_number_of_tests_failed();
    CU_cleanup_registry();
}

static void run_plugin(const char *path, const struct options *options, struct totals *totals)
{
    void *library = NULL;

    switch (load(path, &options->host, &library)) {
    case LOAD_READY:
        run_groups(options, totals);
        break;
    case LOAD_SKIPPED:
        printf("skipped: it cannot run here\n");
        totals->skipped++;
        break;
    case LOAD_BROKEN:
        totals->failed++;
        break;
    }
    unload(library);
}

/* ---- Command line ---- */

static int usage(FILE *to)
{
    fprintf(to, "usage: kernels-test [OPTION]... PLUGIN.so...\n"
                "  --seed N         seed of the random numbers (default: the time)\n"
                "  --only KERNEL    run only one group:");
    for (size_t i = 0; i < GROUP_COUNT; i++)
        fprintf(to, " %s", groups[i]->kernel);
    fprintf(to, "\n"
                "  --quick          few and small cases, for emulators\n"
                "  --bench          time the kernels with the sizes of the network\n"
                "  --cpu-mask LIST  instruction sets not to use, separated by commas\n"
                "  --threads N      number of threads; 0: the plugin's choice (default)\n");
    return to == stdout ? 0 : 2;
}

static bool parse_number(const char *text, uint64_t limit, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 0);
    return end != text && !*end && *number <= limit;
}

static bool is_kernel(const char *name)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (strcmp(groups[i]->kernel, name) == 0)
            return true;
    return false;
}

/* Returns 0 to go on, or what to exit with, less 1. */
static int parse(int count, char **arguments, struct options *options)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},     {"only", required_argument, NULL, 'o'},
        {"bench", no_argument, NULL, 'b'},          {"quick", no_argument, NULL, 'q'},
        {"cpu-mask", required_argument, NULL, 'c'}, {"threads", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    uint64_t number;

    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        if (name == 's' && parse_number(optarg, UINT64_MAX, &number))
            options->seed = number;
        else if (name == 't' && parse_number(optarg, 1024, &number))
            options->host.threads = (uint32_t)number;
        else if (name == 'o' && is_kernel(optarg))
            options->only = optarg;
        else if (name == 'b')
            options->bench = true;
        else if (name == 'q')
            options->quick = true;
        else if (name == 'c')
            options->host.cpu_mask = optarg;
        else
            return usage(name == 'h' ? stdout : stderr) + 1;
    }
    return optind < count ? 0 : usage(stderr) + 1;
}

int main(int count, char **arguments)
{
    struct options options = {
        .seed = (uint64_t)time(NULL),
        .host = {.struct_size = sizeof(options.host), .log = keep_message},
    };
    struct totals totals = {0};
    const int stop = parse(count, arguments, &options);

    if (stop)
        return stop - 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    *seed() = options.seed;
    printf("seed %" PRIu64 "\n", options.seed);
    for (int i = optind; i < count; i++)
        run_plugin(arguments[i], &options, &totals);
    if (!options.bench)
        printf("kernels: %u passed, %u failed, %u plugins skipped\n", totals.passed, totals.failed,
               totals.skipped);
    return totals.failed > 0;
}
