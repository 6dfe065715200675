// SPDX-License-Identifier: MIT
/*
 * A model in service: opened on a backend, shared by the requests that came while it was the one in
 * force, and closed after the last of them. References are counted on the loop's thread alone.
 */
#ifndef HEARKEN_DAEMON_MODEL_H
#define HEARKEN_DAEMON_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "log.h"
#include "settings.h"

struct model {
    struct hearken_model *handle;
    unsigned references;
    char *file;
    struct stat file_status;      /* when it was opened */
    char *version, *author, *url; /* from the file's metadata, or NULL */
    json_t *languages;            /* codes, at least one */
};

/*
 * Opens what [model] and [compute] say, which takes a while; from any thread, with settings that do
 * not change meanwhile. The caller gets the one reference. Errors: as hearken_model_open.
 */
int model_open(const struct settings *settings, struct log *log, struct model **model,
               struct hearken_error *error);

/* Both accept NULL. */
struct model *model_take(struct model *model);
void model_release(struct model *model);

/* The file is not the one that was opened: replaced or rewritten. */
bool model_file_changed(const struct model *model);

/* Whether it knows the language of a BCP 47 tag ("en-GB": "en" is enough). */
bool model_speaks(const struct model *model, const char *tag);

#endif
