// SPDX-License-Identifier: MIT
/* The plugins of a directory and the results of their probes. Scanning loads no plugin into this
 * process. */
#ifndef HEARKEN_PLUGINS_HOST_PLUGIN_SCAN_H
#define HEARKEN_PLUGINS_HOST_PLUGIN_SCAN_H

#include "plugins/host/probe_answer.h"

#include <hearken/hearken.h>

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

/* The caller calls scan_finish() even after an error. Errors: the system's for the directory,
 * -ENOMEM. */
int scan_init(struct scan *scan, const struct hearken_backend_options *options,
              struct scan_filter filter, const struct hearken_plugin_host *host,
              struct hearken_error *error);
void scan_finish(struct scan *scan);

/* The plugin's name, or its file's name if the plugin could not be loaded. */
const char *candidate_name(const struct candidate *candidate);

/* Whether candidate_name() is `name`, or `name` with the suffix ".so". */
bool candidate_is(const struct candidate *candidate, const char *name);

#endif
