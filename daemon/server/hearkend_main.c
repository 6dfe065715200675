// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "daemon/common/log.h"
#include "daemon/common/standard_streams.h"
#include "daemon/http/access_tokens.h"
#include "daemon/models/catalogue.h"
#include "daemon/server/daemon_options.h"
#include "daemon/server/server.h"

/* Exit status: 0 success, 1 failure, 2 bad command line or configuration. */
#define EXIT_USAGE 2

static void log_problem(void *log, const char *problem)
{
    log_error(log, "%s", problem);
}

static int finish_output(struct log *log)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    log_error(log, "cannot write to standard output");
    return EXIT_FAILURE;
}

static int check(const struct options *options, struct log *log)
{
    struct settings settings;
    if (options_load_settings(options, &settings, log_problem, log) < 0)
        return EXIT_USAGE;
    bool good = model_list_check(&settings, log) == 0;
    struct hearken_error error;
    if (served_backend_check(&settings, &error) < 0) {
        log_error(log, "%s", error.message);
        good = false;
    }
    struct access_tokens tokens;
    if (access_tokens_read(&tokens, settings.http_tokens_file, &error) < 0) {
        log_error(log, "%s", error.message);
        good = false;
    }
    access_tokens_finish(&tokens);
    settings_finish(&settings);
    if (!good)
        return EXIT_USAGE;
    printf("%s: no errors\n", options->file ? options->file : "no configuration file");
    return finish_output(log);
}

static int run(const struct options *options, struct log *log)
{
    struct settings settings;
    if (options_load_settings(options, &settings, log_problem, log) < 0)
        return EXIT_USAGE;
    log_set_level(log, (enum hearken_log_level)settings.log_level);
    if (options->file)
        log_info(log, "hearkend %s, configuration %s", hearken_version(), options->file);
    else
        log_info(log, "hearkend %s, no configuration file", hearken_version());
    return server_run(options, &settings, log) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int act(const struct options *options, struct log *log)
{
    switch (options->action) {
    case OPTIONS_RUN:
        return run(options, log);
    case OPTIONS_CHECK:
        return check(options, log);
    case OPTIONS_HELP:
        options_print_help(stdout);
        break;
    case OPTIONS_VERSION:
        printf("hearkend %s\n", hearken_version());
        break;
    case OPTIONS_HELP_CONFIGURATION:
        settings_print_configuration(stdout);
        break;
    case OPTIONS_HELP_MANUAL:
        settings_print_manual(stdout);
        break;
    }
    return finish_output(log);
}

/* Bytes. By default glibc raises both thresholds when large blocks are freed. Then a model's memory
 * stays at the top of the arena of the thread that closed it, where malloc_trim does not reach. */
enum { MMAP_FROM = 256 * 1024, TRIM_FROM = 1024 * 1024 };

static void give_memory_back(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM);
#endif
}

int main(int count, char **arguments)
{
    struct log log;
    struct options options;
    struct hearken_error error;
    if (standard_streams_occupy() < 0)
        return EXIT_FAILURE;
    give_memory_back();
    log_init(&log, HEARKEN_LOG_INFO);
    int result = EXIT_USAGE;
    if (options_parse(&options, count, arguments, &error) < 0)
        log_error(&log, "%s", error.message);
    else
        result = act(&options, &log);
    options_finish(&options);
    return result;
}
