// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_host.h"

#include "include/internal/sized_options.h"
#include "plugins/host/plugin_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void
log_line(const struct compute *compute, enum hearken_log_level level, const char *format, ...)
{
    if (!compute->log)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    compute->log(compute->log_context, level, line);
}

static void log_for_plugin(void *context, int level, const char *message)
{
    const struct compute *compute = context;
    if (level < HEARKEN_LOG_ERROR || level > HEARKEN_LOG_DEBUG)
        level = HEARKEN_LOG_DEBUG;
    log_line(compute, (enum hearken_log_level)level, "%s", message);
}

static int no_plugin_runs(const struct scan *scan, struct hearken_error *error)
{
    return hearken_fail(error, -ENODEV, "no plugin in %s can run here%s%s", scan->directory,
                        scan->count ? "; the first reports: " : " (there is none)",
                        scan->count ? scan->candidates[0].answer.reason : "");
}

static const struct candidate *choose_named(const struct scan *scan, const char *name,
                                            struct hearken_error *error)
{
    char known[256] = "";
    for (size_t i = 0; i < scan->count; i++) {
        const struct candidate *candidate = &scan->candidates[i];
        if (candidate_is(candidate, name) && candidate->answer.score > 0)
            return candidate;
        if (candidate_is(candidate, name)) {
            hearken_fail(error, -ENODEV, "backend '%s' cannot run here: %s", name,
                         candidate->answer.reason);
            return NULL;
        }
        size_t length = strlen(known);
        snprintf(known + length, sizeof(known) - length, "%s%s", length ? ", " : "",
                 candidate_name(candidate));
    }
    hearken_fail(error, -ENODEV, "no backend '%s' in %s, expected auto%s%s", name, scan->directory,
                 *known ? ", " : "", known);
    return NULL;
}

/* On success, `compute` takes over the library along with its backend. */
static int create_backend(struct compute *compute, const struct plugin_library *library,
                          struct hearken_error *error)
{
    struct hearken_backend *backend = NULL;
    int result = library->plugin->backend_create(&compute->host, &backend);
    if (result == 0 && backend) {
        compute->backend = backend;
        compute->library = *library;
        compute->plugin = library->plugin;
        compute->kernels = library->plugin->kernels;
        return 0;
    }
    if (result >= 0) /* success without a backend: violates plugin.h */
        result = -EIO;
    return hearken_fail(error, result, "backend '%s' cannot be opened: %s", library->plugin->name,
                        strerror(-result));
}

static int open_backend(struct compute *compute, const struct candidate *chosen,
                        struct hearken_error *error)
{
    struct plugin_library library;
    if (plugin_library_load(chosen->path, &library) < 0)
        return hearken_fail(error, -ENODEV, "backend '%s' cannot be loaded: %s",
                            candidate_name(chosen), library.reason);
    int result = -ENODEV;
    if (strcmp(library.plugin->name, candidate_name(chosen)) != 0)
        hearken_fail(error, result, "%s: was backend '%s' when probed, but is '%s' now",
                     chosen->path, candidate_name(chosen), library.plugin->name);
    else
        result = create_backend(compute, &library, error);
    if (result < 0)
        plugin_library_unload(&library);
    return result;
}

static void log_candidates(const struct compute *compute, const struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++)
        log_line(compute, HEARKEN_LOG_INFO, "backend %s: score %d: %s",
                 candidate_name(&scan->candidates[i]), scan->candidates[i].answer.score,
                 scan->candidates[i].answer.reason);
}

/* Opens the backend of the highest score that opens; if none does, the error is the first one's. */
static int open_best(struct compute *compute, const struct scan *scan, struct hearken_error *error)
{
    struct hearken_error reason;
    if (scan->count == 0 || scan->candidates[0].answer.score <= 0)
        return no_plugin_runs(scan, error);
    int first = 0;
    for (size_t i = 0; i < scan->count && scan->candidates[i].answer.score > 0; i++) {
        int result = open_backend(compute, &scan->candidates[i], &reason);
        if (result == 0)
            return 0;
        log_line(compute, HEARKEN_LOG_WARNING, "%s", reason.message);
        if (first == 0)
            first = hearken_fail(error, result, "%s", reason.message);
    }
    return first;
}

static int open_named(struct compute *compute, const struct scan *scan, const char *name,
                      struct hearken_error *error)
{
    const struct candidate *chosen = choose_named(scan, name, error);
    return chosen ? open_backend(compute, chosen, error) : -ENODEV;
}

/*
 * Probes only the file NAME.so where a backend is named, since each further probe takes time.
 * Probes all files where that file is missing or holds a plugin of another name.
 */
static int scan_for(struct scan *scan, const struct compute *compute,
                    const struct hearken_backend_options *options, const char *name,
                    struct hearken_error *error)
{
    int result =
        scan_init(scan, options, (struct scan_filter){.only = name}, &compute->host, error);
    if (result < 0 || !name || (scan->count > 0 && candidate_is(&scan->candidates[0], name)))
        return result;
    scan_finish(scan);
    return scan_init(scan, options, (struct scan_filter){0}, &compute->host, error);
}

static int choose_and_open(struct compute *compute, const struct hearken_backend_options *options,
                           struct hearken_error *error)
{
    struct scan scan;
    bool automatic = !options->backend || strcmp(options->backend, "auto") == 0;
    int result = scan_for(&scan, compute, options, automatic ? NULL : options->backend, error);
    if (result == 0) {
        log_candidates(compute, &scan);
        result = automatic ? open_best(compute, &scan, error)
                           : open_named(compute, &scan, options->backend, error);
    }
    if (result == 0)
        log_line(compute, HEARKEN_LOG_INFO, "backend %s chosen", compute->plugin->name);
    scan_finish(&scan);
    return result;
}

void hearken_backend_options_init_sized(struct hearken_backend_options *options, size_t struct_size)
{
    memset(options, 0, struct_size);
    options->struct_size = struct_size;
}

int compute_open(const struct hearken_backend_options *options, struct compute **compute,
                 struct hearken_error *error)
{
    static const struct hearken_backend_options automatic = {.backend = "auto"};
    if (!options)
        options = &automatic;
    struct compute *c = calloc(1, sizeof(*c));
    if (!c)
        return hearken_fail(error, -ENOMEM, "out of memory");
    int result = -ENOMEM;
    if (options->cpu_mask && !(c->cpu_mask = strdup(options->cpu_mask))) {
        hearken_fail(error, result, "out of memory");
        goto failed;
    }
    c->log = options->log;
    c->log_context = options->log_context;
    c->host = (struct hearken_plugin_host){
        .struct_size = sizeof(c->host),
        .cpu_mask = c->cpu_mask,
        .threads = options->threads,
        .log_context = c,
        .log = log_for_plugin,
    };
    result = choose_and_open(c, options, error);
    if (result < 0)
        goto failed;
    *compute = c;
    return 0;
failed:
    compute_destroy(c);
    return result;
}

void compute_destroy(struct compute *compute)
{
    if (!compute)
        return;
    if (compute->backend)
        compute->plugin->backend_destroy(compute->backend);
    plugin_library_unload(&compute->library);
    free(compute->cpu_mask);
    free(compute);
}

int hearken_plugins_list(const struct hearken_backend_options *options,
                         hearken_plugin_callback *callback, void *context,
                         struct hearken_error *error)
{
    struct hearken_backend_options own;
    hearken_backend_options_init(&own);
    int result =
        options ? options_copy("options", &own, sizeof(own), sizeof(own), options, error) : 0;
    if (result < 0)
        return result;
    options = &own;
    struct compute logger = {.log = options->log, .log_context = options->log_context};
    struct hearken_plugin_host host = {
        .struct_size = sizeof(host),
        .cpu_mask = options->cpu_mask,
        .threads = options->threads,
        .log_context = &logger,
        .log = log_for_plugin,
    };
    struct scan scan;
    result = scan_init(&scan, options, (struct scan_filter){.ignore_cache = true}, &host, error);
    for (size_t i = 0; result == 0 && i < scan.count; i++) {
        const struct candidate *candidate = &scan.candidates[i];
        bool named = candidate->answer.name[0];
        struct hearken_plugin_report report = {
            .path = candidate->path,
            .name = named ? candidate->answer.name : NULL,
            .description = named ? candidate->answer.description : NULL,
            .score = candidate->answer.score,
            .reason = candidate->answer.reason,
        };
        callback(context, &report);
    }
    scan_finish(&scan);
    return result;
}
