// SPDX-License-Identifier: MIT
/*
 * A model in service: opened on a backend, shared by the requests that came while it was the one in
 * force, and closed after the last of them. References are counted on the loop's thread alone.
 */
#ifndef HEARKEN_DAEMON_SERVED_MODEL_H
#define HEARKEN_DAEMON_SERVED_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "log.h"
#include "settings.h"

struct served_model {
    struct hearken_model *handle;
    unsigned references;
    char *file;
    struct stat file_status;      /* when it was opened */
    char *version, *author, *url; /* from the file's metadata, or NULL */
    json_t *languages;            /* codes, at least one */
    bool elsewhere;               /* not on the best backend, which was passed over */
    bool lost;                    /* its device has failed */
    void (*on_loss)(void *context);
    void *loss_context;
};

/*
 * Opens what [model] and [compute] say, which takes a while; from any thread, with settings that do
 * not change meanwhile. Where they leave the backend open, the one named `without` (or NULL) is
 * passed over. The caller gets the one reference. Errors: as hearken_model_open.
 */
int served_model_open(const struct settings *settings, const char *without, struct log *log,
                      struct served_model **model, struct hearken_error *error);

/* A request's device has failed: sets `lost` and, the first time, calls `on_loss`. On the loop. */
void served_model_lose(struct served_model *model);

/* Both accept NULL. */
struct served_model *served_model_take(struct served_model *model);
void served_model_release(struct served_model *model);

/* The file is not the one that was opened: replaced or rewritten. */
bool served_model_file_changed(const struct served_model *model);

/* Whether it knows the language of a BCP 47 tag ("en-GB": "en" is enough). */
bool served_model_speaks(const struct served_model *model, const char *tag);

#endif
