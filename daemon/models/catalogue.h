// SPDX-License-Identifier: MIT
/*
 * The models in the configuration. The first is the default. The others are loaded at their first
 * use and released after model.release_seconds without a request; so is the default unless
 * model.keep is set. For the loop's thread, except model_list_read.
 */
#ifndef HEARKEN_DAEMON_MODELS_CATALOGUE_H
#define HEARKEN_DAEMON_MODELS_CATALOGUE_H

#include "daemon/models/served_model.h"

#include <uv.h>

struct model_entry {
    char *name; /* "": the default */
    char *file;
    struct stat file_status; /* when the facts were read; all zeros: the file was unreadable */
    struct model_facts facts;
    struct served_model *model; /* loaded or being loaded; NULL: neither */
    char *excluded_backend;     /* its device has failed; or NULL */
    char *backend;              /* the last one, for the status; or NULL */
};

struct model_list {
    struct model_entry *entries;
    size_t count; /* at least 1: the default comes first */
};

struct catalogue {
    struct log *log;
    const struct settings *settings; /* the current ones; a reload replaces them in place */
    struct model_list list;
    struct model_owner owner;
    uv_timer_t timer;                    /* runs until the next idle model is due for release */
    void (*default_lost)(void *context); /* the device of the default model has failed */
    void *lost_context;
};

/* Lists the configured models with the metadata of their files; from any thread. An unreadable file
 * is not an error. Errors: -EINVAL if the default has the name of another model; -ENOMEM; -EMFILE
 * or -ENFILE if no more files can be opened. */
int model_list_read(struct model_list *list, const struct settings *settings,
                    struct hearken_error *error);
void model_list_finish(struct model_list *list);

/* Checks the model files without opening them, and logs problems: of the default model an error,
 * which the start would fail with, of others a warning. Errors: as model_list_read, and of the
 * default model's file. */
int model_list_check(const struct settings *settings, struct log *log);

/* The catalogue is empty until catalogue_replace. The loop and the settings must outlive it. */
void catalogue_init(struct catalogue *catalogue, uv_loop_t *loop, const struct settings *settings,
                    struct log *log);

/* To be called once no request refers to a model and the loop has stopped. */
void catalogue_finish(struct catalogue *catalogue);

/*
 * Replaces the list of models and takes over `list`. Unless `reload_all`, models in both lists stay
 * loaded if their files have not changed. `default_model`, if not NULL, becomes the default model;
 * its reference is taken over.
 */
void catalogue_replace(struct catalogue *catalogue, struct model_list *list, bool reload_all,
                       struct served_model *default_model);

/* By the name that clients use; "": the default. NULL: unknown name. */
const struct model_entry *catalogue_find(const struct catalogue *catalogue, const char *name);

/* The name that clients see. */
const char *model_entry_name(const struct model_entry *entry);

/* All names, separated by commas. */
void catalogue_list_names(const struct catalogue *catalogue, char *text, size_t size);

/* Returns a new reference to the model; starts loading it if necessary. NULL: unknown name, or no
 * memory. */
struct served_model *catalogue_acquire(struct catalogue *catalogue, const char *name);

/* Whether a model is being loaded or closed. */
bool catalogue_is_busy(const struct catalogue *catalogue);

#endif
