// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_host.h"

#include "include/internal/library_folder.h"
#include "include/internal/processor_count.h"
#include "include/internal/sized_options.h"
#include "plugins/host/plugin_probe.h"
#include "plugins/host/probe_answer.h"
#include "plugins/host/probe_cache.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    char *path;
    struct plugin_answer answer;
};

struct scan {
    char *directory;
    struct candidate *candidates; /* highest score first, equal scores by path */
    size_t count;
};

struct scan_filter {
    const char *only;  /* probe just the file NAME.so; NULL: all files */
    bool ignore_cache; /* probe even where the cache holds a result */
};

#define DIRECTORY_VARIABLE "HEARKEN_PLUGIN_DIR"
#define DIRECTORY_NAME     "hearken" /* beside libhearken.so */
#define HELPER_NAME        "hearken-probe"

/* ---- Paths ---- */

/* DIRECTORY/NAME. NULL with errno set on failure. */
static char *path_in(const char *directory, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", directory, name) >= 0)
        return path;
    errno = ENOMEM;
    return NULL;
}

/* The directory "hearken" beside libhearken.so; the caller frees it. NULL with errno set on
 * failure.
 */
static char *directory_beside_library(void)
{
    char *library = library_folder();
    if (!library)
        return NULL;
    char *path = path_in(library, DIRECTORY_NAME);
    free(library);
    return path;
}

static char *plugin_directory(const struct hearken_backend_options *options)
{
    if (options->plugin_directory)
        return strdup(options->plugin_directory);
    const char *variable = secure_getenv(DIRECTORY_VARIABLE);
    if (variable && *variable)
        return strdup(variable);
    return directory_beside_library();
}

/* The helper belongs to the library, so it does not follow HEARKEN_PLUGIN_DIR. NULL with errno set
 * on failure. */
static char *helper_path(void)
{
    char *directory = directory_beside_library();
    if (!directory)
        return NULL;
    char *path = path_in(directory, HELPER_NAME);
    free(directory);
    return path;
}

static int is_plugin_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0;
}

static bool is_file_of(const char *file, const char *name)
{
    size_t length = strlen(name);
    return strncmp(file, name, length) == 0 && strcmp(file + length, ".so") == 0;
}

/* ---- Probing ---- */

static int compare_scores(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->answer.score != y->answer.score)
        return x->answer.score < y->answer.score ? 1 : -1;
    return strcmp(x->path, y->path);
}

static void probe_candidate(struct candidate *candidate, const char *helper,
                            const struct probe_cache *cache, bool ignore_cache,
                            const struct hearken_plugin_host *host)
{
    if (!ignore_cache && probe_cache_find(cache, candidate->path, &candidate->answer))
        return;
    plugin_probe(helper, candidate->path, host, &probe_limits, &candidate->answer);
    probe_cache_keep(cache, candidate->path, &candidate->answer);
}

static int probe_files(struct scan *scan, struct dirent **files, int count,
                       struct scan_filter filter, const struct hearken_plugin_host *host,
                       struct hearken_error *error)
{
    struct probe_cache cache;
    scan->candidates = calloc((size_t)count + 1, sizeof(*scan->candidates));
    if (!scan->candidates)
        return hearken_fail(error, -ENOMEM, "out of memory");
    char *helper = helper_path();
    if (!helper)
        return hearken_fail(error, -errno, "the program " HELPER_NAME " cannot be found: %s",
                            strerror(errno));
    int result = 0;
    probe_cache_init(&cache, helper, host);
    for (int i = 0; i < count; i++) {
        struct candidate *candidate = &scan->candidates[scan->count];
        if (filter.only && !is_file_of(files[i]->d_name, filter.only))
            continue;
        candidate->path = path_in(scan->directory, files[i]->d_name);
        if (!candidate->path) {
            result = hearken_fail(error, -ENOMEM, "out of memory");
            break;
        }
        scan->count++;
        probe_candidate(candidate, helper, &cache, filter.ignore_cache, host);
    }
    probe_cache_finish(&cache);
    free(helper);
    qsort(scan->candidates, scan->count, sizeof(*scan->candidates), compare_scores);
    return result;
}

/* The caller calls scan_finish() even after an error. Errors: the system's for the directory,
 * -ENOMEM. */
static int scan_init(struct scan *scan, const struct hearken_backend_options *options,
                     struct scan_filter filter, const struct hearken_plugin_host *host,
                     struct hearken_error *error)
{
    *scan = (struct scan){.directory = plugin_directory(options)};
    if (!scan->directory)
        return hearken_fail(error, -errno, "the plugin directory cannot be found: %s",
                            strerror(errno));
    struct dirent **files;
    int count = scandir(scan->directory, &files, is_plugin_file, alphasort);
    if (count < 0)
        return hearken_fail(error, -errno, "plugin directory %s: %s", scan->directory,
                            strerror(errno));
    int result = probe_files(scan, files, count, filter, host, error);
    for (int i = 0; i < count; i++)
        free(files[i]);
    free(files);
    return result;
}

static void scan_finish(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        answer_finish(&scan->candidates[i].answer);
        free(scan->candidates[i].path);
    }
    free(scan->candidates);
    free(scan->directory);
}

/* The plugin's name, or its file's name if the plugin could not be loaded. */
static const char *candidate_name(const struct candidate *candidate)
{
    return candidate->answer.name[0] ? candidate->answer.name : strrchr(candidate->path, '/') + 1;
}

/* Whether candidate_name() is `name`, or `name` with the suffix ".so". */
static bool candidate_is(const struct candidate *candidate, const char *name)
{
    return candidate->answer.name[0] ? strcmp(candidate->answer.name, name) == 0
                                     : is_file_of(candidate_name(candidate), name);
}

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

int backend_options_read(struct hearken_backend_options *own,
                         const struct hearken_backend_options *options, struct hearken_error *error)
{
    hearken_backend_options_init(own);
    return options ? options_copy("options", own, sizeof(*own), sizeof(*own), options, error) : 0;
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
    int result = backend_options_read(&own, options, error);
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

unsigned compute_parallel_queues(const struct compute *compute)
{
    if (!compute->plugin->synchronous)
        return 1;
    return compute->host.threads > 0 ? compute->host.threads : processor_count();
}
