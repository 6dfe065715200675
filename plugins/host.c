// SPDX-License-Identifier: MIT
#include "host.h"

#include "library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY_VARIABLE "HEARKEN_PLUGIN_DIR"
#define DIRECTORY_NAME     "hearken" /* beside libhearken.so */

/* The plugins of a directory, the best score first. */
struct scan {
    char *directory;
    struct plugin_library *libraries;
    size_t count;
};

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

/* Where libhearken.so lies, and the folder "hearken" there: never the current directory. */
static char *directory_beside_library(void)
{
    Dl_info info;
    char *path;
    if (!dladdr((const void *)DIRECTORY_VARIABLE, &info) || !info.dli_fname)
        return NULL;
    char *library = realpath(info.dli_fname, NULL);
    if (!library)
        return NULL;
    *strrchr(library, '/') = 0;
    if (asprintf(&path, "%s/" DIRECTORY_NAME, library) < 0)
        path = NULL;
    free(library);
    return path;
}

static char *plugin_directory(const struct hearken_backend_options *options)
{
    if (options->plugin_directory)
        return strdup(options->plugin_directory);
    const char *variable = getenv(DIRECTORY_VARIABLE);
    if (variable && *variable)
        return strdup(variable);
    return directory_beside_library();
}

static int is_plugin_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0;
}

static int compare_scores(const void *a, const void *b)
{
    const struct plugin_library *x = a, *y = b;
    if (x->probe.score != y->probe.score)
        return x->probe.score < y->probe.score ? 1 : -1;
    return strcmp(x->path, y->path);
}

static void scan_finish(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++)
        plugin_library_finish(&scan->libraries[i]);
    free(scan->libraries);
    free(scan->directory);
}

static bool is_file_of(const char *file, const char *name)
{
    size_t length = strlen(name);
    return strncmp(file, name, length) == 0 && strcmp(file + length, ".so") == 0;
}

/* `only`: a plugin's name, or NULL for all. */
static int scan_files(struct scan *scan, struct dirent **files, int count, const char *only,
                      const struct hearken_plugin_host *host, struct hearken_error *error)
{
    scan->libraries = calloc((size_t)count + 1, sizeof(*scan->libraries));
    if (!scan->libraries)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (int i = 0; i < count; i++) {
        char *path;
        if (only && !is_file_of(files[i]->d_name, only))
            continue;
        if (asprintf(&path, "%s/%s", scan->directory, files[i]->d_name) < 0)
            return hearken_fail(error, -ENOMEM, "out of memory");
        plugin_library_init(&scan->libraries[scan->count++], path, host);
    }
    qsort(scan->libraries, scan->count, sizeof(*scan->libraries), compare_scores);
    return 0;
}

/* Finish it in any case. */
static int scan_init(struct scan *scan, const struct hearken_backend_options *options,
                     const char *only, const struct hearken_plugin_host *host,
                     struct hearken_error *error)
{
    *scan = (struct scan){.directory = plugin_directory(options)};
    if (!scan->directory)
        return hearken_fail(error, -ENOMEM, "the plugin directory cannot be found");
    struct dirent **files;
    int count = scandir(scan->directory, &files, is_plugin_file, alphasort);
    if (count < 0)
        return hearken_fail(error, -errno, "plugin directory %s: %s", scan->directory,
                            strerror(errno));
    int result = scan_files(scan, files, count, only, host, error);
    for (int i = 0; i < count; i++)
        free(files[i]);
    free(files);
    return result;
}

static const char *library_name(const struct plugin_library *library)
{
    return library->plugin ? library->plugin->name : strrchr(library->path, '/') + 1;
}

static int no_plugin_runs(const struct scan *scan, struct hearken_error *error)
{
    return hearken_fail(error, -ENODEV, "no plugin in %s can run here%s%s", scan->directory,
                        scan->count ? "; the first says: " : " (there is none)",
                        scan->count ? scan->libraries[0].probe.reason : "");
}

static struct plugin_library *choose_named(struct scan *scan, const char *name,
                                           struct hearken_error *error, int *code)
{
    char known[256] = "";
    for (size_t i = 0; i < scan->count; i++) {
        struct plugin_library *library = &scan->libraries[i];
        const char *file = strrchr(library->path, '/') + 1;
        bool named =
            library->plugin ? strcmp(library->plugin->name, name) == 0 : is_file_of(file, name);
        if (named && library->probe.score > 0)
            return library;
        if (named) {
            *code = hearken_fail(error, -ENODEV, "backend '%s' cannot run here: %s", name,
                                 library->probe.reason);
            return NULL;
        }
        size_t length = strlen(known);
        snprintf(known + length, sizeof(known) - length, "%s%s", length ? ", " : "",
                 library_name(library));
    }
    *code = hearken_fail(error, -ENODEV, "no backend '%s' in %s, expected auto%s%s", name,
                         scan->directory, *known ? ", " : "", known);
    return NULL;
}

static int open_backend(struct compute *compute, struct plugin_library *chosen,
                        struct hearken_error *error)
{
    struct hearken_backend *backend = NULL;
    int result = chosen->plugin->backend_create(&compute->host, &backend);
    if (result < 0)
        return hearken_fail(error, result, "backend '%s' cannot be opened: %s",
                            chosen->plugin->name, strerror(-result));
    compute->backend = backend;
    compute->plugin = chosen->plugin;
    compute->kernels = chosen->plugin->kernels;
    compute->library = chosen->handle;
    chosen->handle = NULL;
    return 0;
}

static void log_candidates(const struct compute *compute, const struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++)
        log_line(compute, HEARKEN_LOG_INFO, "backend %s: score %d: %s",
                 library_name(&scan->libraries[i]), scan->libraries[i].probe.score,
                 scan->libraries[i].probe.reason);
}

/* The best that can be opened; what the best one says if none can. */
static int open_best(struct compute *compute, struct scan *scan, struct hearken_error *error)
{
    struct hearken_error reason;
    if (scan->count == 0 || scan->libraries[0].probe.score <= 0)
        return no_plugin_runs(scan, error);
    int first = 0;
    for (size_t i = 0; i < scan->count && scan->libraries[i].probe.score > 0; i++) {
        int result = open_backend(compute, &scan->libraries[i], &reason);
        if (result == 0)
            return 0;
        log_line(compute, HEARKEN_LOG_WARNING, "%s", reason.message);
        if (first == 0)
            first = hearken_fail(error, result, "%s", reason.message);
    }
    return first;
}

static int open_named(struct compute *compute, struct scan *scan, const char *name,
                      struct hearken_error *error)
{
    int result = 0;
    struct plugin_library *chosen = choose_named(scan, name, error, &result);
    return chosen ? open_backend(compute, chosen, error) : result;
}

/*
 * The file that a named backend is called after, alone: others may bring whole drivers with them.
 * All of them where there is no such file, or another plugin in it.
 */
static int scan_for(struct scan *scan, const struct compute *compute,
                    const struct hearken_backend_options *options, const char *name,
                    struct hearken_error *error)
{
    int result = scan_init(scan, options, name, &compute->host, error);
    if (result < 0 || !name ||
        (scan->count > 0 && strcmp(library_name(&scan->libraries[0]), name) == 0))
        return result;
    scan_finish(scan);
    return scan_init(scan, options, NULL, &compute->host, error);
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
    if (compute->library)
        dlclose(compute->library);
    free(compute->cpu_mask);
    free(compute);
}

int hearken_plugins_list(const struct hearken_backend_options *options,
                         hearken_plugin_callback *callback, void *context,
                         struct hearken_error *error)
{
    static const struct hearken_backend_options automatic = {.backend = "auto"};
    if (!options)
        options = &automatic;
    struct compute quiet = {.log = options->log, .log_context = options->log_context};
    struct hearken_plugin_host host = {
        .struct_size = sizeof(host),
        .cpu_mask = options->cpu_mask,
        .threads = options->threads,
        .log_context = &quiet,
        .log = log_for_plugin,
    };
    struct scan scan;
    int result = scan_init(&scan, options, NULL, &host, error);
    for (size_t i = 0; result == 0 && i < scan.count; i++) {
        const struct plugin_library *library = &scan.libraries[i];
        struct hearken_plugin_report report = {
            .path = library->path,
            .name = library->plugin ? library->plugin->name : NULL,
            .description = library->plugin ? library->plugin->description : NULL,
            .score = library->probe.score,
            .reason = library->probe.reason,
        };
        callback(context, &report);
    }
    scan_finish(&scan);
    return result;
}
