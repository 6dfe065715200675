// SPDX-License-Identifier: MIT
#include "daemon/client/output/output_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *output_name(const char *directory, enum output_format format, const char *recording)
{
    const char *name = strcmp(recording, "-") == 0 ? "stdin" : file_name(recording);
    const char *dot = strrchr(name, '.');
    int length = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    const char *ending = format == OUTPUT_TEXT ? "txt" : output_format_names[format];
    char *path;
    if (asprintf(&path, "%s/%.*s.%s", directory, length, name, ending) < 0)
        return NULL;
    return path;
}

/* ---- Checks ---- */

/* Only for regular files: terminals, pipes and /dev/null cannot be overwritten. */
static bool is_same_file(const char *output, const char *recording)
{
    struct stat out, in;
    return strcmp(recording, "-") != 0 && stat(output, &out) == 0 && stat(recording, &in) == 0 &&
           S_ISREG(out.st_mode) && out.st_dev == in.st_dev && out.st_ino == in.st_ino;
}

int output_directory_check(const char *directory, struct hearken_error *error)
{
    struct stat state;
    int code = stat(directory, &state) < 0 ? -errno : S_ISDIR(state.st_mode) ? 0 : -ENOTDIR;
    if (code == 0 && faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0)
        code = -errno;
    return code < 0 ? hearken_fail(error, code, "%.400s: %s", directory, strerror(-code)) : 0;
}

/* The path with its folder resolved; the caller frees it. NULL: no such folder, or no memory. */
static char *resolve_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *joined;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *resolved = folder ? realpath(folder, NULL) : NULL;
    if (!resolved || asprintf(&joined, "%s/%s", resolved, slash ? slash + 1 : path) < 0)
        joined = NULL;
    free(resolved);
    free(folder);
    return joined;
}

bool output_is_same(const char *a, const char *b)
{
    char *x = resolve_folder(a), *y = resolve_folder(b);
    bool same = is_same_file(a, b) || (x && y && strcmp(x, y) == 0);
    free(x);
    free(y);
    return same;
}

int output_file_check(const char *output, char *const *recordings, size_t count,
                      struct hearken_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (is_same_file(output, recordings[i]))
            return hearken_fail(error, -EEXIST, "the output would overwrite the recording %.300s",
                                recordings[i]);
    return 0;
}

struct pair {
    char *output;
    const char *recording;
    dev_t device; /* of the recording; both 0 where it cannot be overwritten */
    ino_t inode;
};

static int compare_outputs(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->output, ((const struct pair *)b)->output);
}

static int compare_recordings(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static int check_outputs(struct pair *pairs, size_t count, struct hearken_error *error)
{
    qsort(pairs, count, sizeof(*pairs), compare_outputs);
    for (size_t i = 1; i < count; i++)
        if (strcmp(pairs[i - 1].output, pairs[i].output) == 0)
            return hearken_fail(error, -EEXIST, "%.150s and %.150s would both be written to %.150s",
                                pairs[i - 1].recording, pairs[i].recording, pairs[i].output);
    return 0;
}

/* By links, an output may be the recording that is another's. */
static int check_recordings(struct pair *pairs, size_t count, struct hearken_error *error)
{
    struct stat state;
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].recording, "-") != 0 && stat(pairs[i].recording, &state) == 0 &&
            S_ISREG(state.st_mode)) {
            pairs[i].device = state.st_dev;
            pairs[i].inode = state.st_ino;
        }
    qsort(pairs, count, sizeof(*pairs), compare_recordings);
    for (size_t i = 0; i < count; i++) {
        if (stat(pairs[i].output, &state) < 0 || !S_ISREG(state.st_mode))
            continue;
        const struct pair wanted = {.device = state.st_dev, .inode = state.st_ino};
        const struct pair *found =
            bsearch(&wanted, pairs, count, sizeof(*pairs), compare_recordings);
        if (found)
            return hearken_fail(error, -EEXIST, "the output would overwrite the recording %.300s",
                                found->recording);
    }
    return 0;
}

int output_names_check(const char *directory, enum output_format format, char *const *recordings,
                       size_t count, struct hearken_error *error)
{
    struct pair *pairs = calloc(count, sizeof(*pairs));
    size_t made = 0;
    for (; pairs && made < count; made++) {
        pairs[made].recording = recordings[made];
        pairs[made].output = output_name(directory, format, recordings[made]);
        if (!pairs[made].output)
            break;
    }
    int result = -ENOMEM;
    if (made == count) {
        result = check_outputs(pairs, count, error);
        if (result == 0)
            result = check_recordings(pairs, count, error);
    } else {
        hearken_fail(error, result, "%s", strerror(ENOMEM));
    }
    while (made > 0)
        free(pairs[--made].output);
    free(pairs);
    return result;
}
