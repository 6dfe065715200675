// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_scan.h"

#include "plugins/host/plugin_probe.h"
#include "plugins/host/probe_cache.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY_VARIABLE "HEARKEN_PLUGIN_DIR"
#define DIRECTORY_NAME     "hearken" /* beside libhearken.so */
#define HELPER_NAME        "hearken-probe"

/* ---- Paths ---- */

/*
 * The directory "hearken" beside libhearken.so; never relative to the current directory. The caller
 * frees it. NULL with errno set on failure.
 */
static char *directory_beside_library(void)
{
    Dl_info info;
    char *path;
    if (!dladdr((const void *)DIRECTORY_VARIABLE, &info) || !info.dli_fname) {
        errno = ENOENT;
        return NULL;
    }
    char *library = realpath(info.dli_fname, NULL);
    if (!library)
        return NULL;
    *strrchr(library, '/') = 0;
    if (asprintf(&path, "%s/" DIRECTORY_NAME, library) < 0) {
        path = NULL;
        errno = ENOMEM;
    }
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
    char *directory = directory_beside_library(), *path;
    if (!directory)
        return NULL;
    if (asprintf(&path, "%s/" HELPER_NAME, directory) < 0) {
        path = NULL;
        errno = ENOMEM;
    }
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
        if (asprintf(&candidate->path, "%s/%s", scan->directory, files[i]->d_name) < 0) {
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

int scan_init(struct scan *scan, const struct hearken_backend_options *options,
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

void scan_finish(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        answer_finish(&scan->candidates[i].answer);
        free(scan->candidates[i].path);
    }
    free(scan->candidates);
    free(scan->directory);
}

const char *candidate_name(const struct candidate *candidate)
{
    return candidate->answer.name[0] ? candidate->answer.name : strrchr(candidate->path, '/') + 1;
}

bool candidate_is(const struct candidate *candidate, const char *name)
{
    return candidate->answer.name[0] ? strcmp(candidate->answer.name, name) == 0
                                     : is_file_of(candidate_name(candidate), name);
}
