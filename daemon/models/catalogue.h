// SPDX-License-Identifier: MIT
/*
 * The models that the configuration names. The first is the default; the others, and that too where
 * it is not to be kept, are loaded at their first use and released when nobody has used them for a
 * while. For the loop's thread, but for reading a list.
 */
#ifndef HEARKEN_DAEMON_MODELS_CATALOGUE_H
#define HEARKEN_DAEMON_MODELS_CATALOGUE_H

#include "daemon/models/served_model.h"

#include <uv.h>

struct model_entry {
    char *name; /* "": the default */
    char *file;
    struct stat file_status; /* when the facts were read; all zeros: they were not */
    struct model_facts facts;
    struct served_model *model; /* loaded, or being so; NULL: neither */
    char *without;              /* a backend whose device has failed, or NULL */
    char *backend;              /* that it was on last, or NULL */
};

struct model_list {
    struct model_entry *entries;
    size_t count; /* at least 1: the default comes first */
};

struct catalogue {
    struct log *log;
    const struct settings *settings; /* those in force */
    struct model_list list;
    struct model_home home;
    uv_timer_t timer;               /* for the next model that may be released */
    void (*on_loss)(void *context); /* the default's device has failed */
    void *loss_context;
};

/* Which models there are, and what their files say of themselves; from any thread. A file that
 * cannot be read is no error. Errors: -EINVAL if the default has the name of another, -ENOMEM,
 * -EMFILE or -ENFILE where files cannot be opened.
 */
int model_list_read(struct model_list *list, const struct settings *settings,
                    struct hearken_error *error);
void model_list_finish(struct model_list *list);

/* Without any model yet. The loop and the settings must outlive it. */
void catalogue_init(struct catalogue *catalogue, uv_loop_t *loop, const struct settings *settings,
                    struct log *log);

/* When no request has a model any more, and the loop does not run. */
void catalogue_finish(struct catalogue *catalogue);

/*
 * A list takes the place of the one in force. Of both, those that name the same file, which has not
 * changed, stay loaded, unless `afresh`. `standard`, if not NULL, is the default's model from now
 * on; its reference is taken over, as is the list.
 */
void catalogue_replace(struct catalogue *catalogue, struct model_list *list, bool afresh,
                       struct served_model *standard);

/* By the name under which clients ask for it; "": the default. NULL: there is no such model. */
const struct model_entry *catalogue_find(const struct catalogue *catalogue, const char *name);

/* The name that clients see. */
const char *model_entry_name(const struct model_entry *entry);

/* All names, between commas. */
void catalogue_list_names(const struct catalogue *catalogue, char *text, size_t size);

/* A reference to the model, which is loaded if it is not. NULL: there is no such model (any more),
 * or no memory. */
struct served_model *catalogue_take(struct catalogue *catalogue, const char *name);

/* One is being loaded or closed. */
bool catalogue_is_busy(const struct catalogue *catalogue);

#endif
