// SPDX-License-Identifier: MIT
/* The plugins of a directory, and what their probes say. None is loaded into this process. */
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
    struct candidate *candidates; /* the best score first, of equal ones by path */
    size_t count;
};

struct scan_wish {
    const char *only; /* the file called after this name, or NULL: all */
    bool anew;        /* asks every plugin; else what the cache knows is believed */
};

/* Finish it in any case. Errors: the system's for the directory, -ENOMEM. */
int scan_init(struct scan *scan, const struct hearken_backend_options *options,
              struct scan_wish wish, const struct hearken_plugin_host *host,
              struct hearken_error *error);
void scan_finish(struct scan *scan);

/* The plugin's name, or its file's where that is not known. */
const char *candidate_name(const struct candidate *candidate);

/* Is it called so, or its file if its own name is not known? */
bool candidate_is(const struct candidate *candidate, const char *name);

#endif
