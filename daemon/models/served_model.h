// SPDX-License-Identifier: MIT
/*
 * A model opened on a backend, or being opened, shared by requests and closed after the last of
 * them. For the loop's thread, except served_model_open. Loading and closing run in libuv's thread
 * pool, so that they do not block the loop or occupy a worker.
 */
#ifndef HEARKEN_DAEMON_MODELS_SERVED_MODEL_H
#define HEARKEN_DAEMON_MODELS_SERVED_MODEL_H

#include "daemon/common/log.h"
#include "daemon/settings/settings.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

struct served_model;

/* The owner of models. Its callbacks run on the loop. */
struct model_owner {
    uv_loop_t *loop;
    unsigned busy; /* number of models being loaded or closed */
    void *context;
    void (*loaded)(void *context, struct served_model *model); /* ready or failed: see its state */
    void (*idle)(void *context); /* only the owner's reference is left */
    void (*lost)(void *context, struct served_model *model); /* its device has failed */
};

enum served_state {
    SERVED_LOADING,
    SERVED_READY,
    SERVED_FAILED, /* `problem` says why */
};

/* Waits for a model to be loaded. The caller's memory, which must live until `settled` is called.
 */
struct model_waiter {
    void (*settled)(void *context); /* the model is ready, or has failed */
    void *context;
    struct model_waiter *next;
};

struct served_model {
    struct hearken_model *handle; /* when it is ready */
    enum served_state state;
    struct hearken_error problem;
    unsigned references;
    char *file;
    struct stat file_status;   /* when it was opened */
    bool on_fallback;          /* the best backend was excluded */
    bool lost;                 /* its device has failed */
    uint64_t idle_since;       /* uv_hrtime; valid while there is one reference */
    struct model_owner *owner; /* NULL: served_model_release closes it synchronously */
    struct model_waiter *waiters;
    uv_work_t work; /* for closing */
};

/*
 * Opens a file with the [compute] settings; blocks. From any thread; the settings must not change
 * meanwhile. If the backend is `auto`, `excluded_backend` (or NULL) is not used. The caller gets
 * the only reference. Errors: as hearken_model_open.
 */
int served_model_open(const char *file, const struct settings *settings,
                      const char *excluded_backend, struct log *log, struct served_model **model,
                      struct hearken_error *error);

/* Starts the same in another thread and returns a model that is being loaded. NULL without memory.
 */
struct served_model *served_model_load(struct model_owner *owner, const char *file,
                                       const struct settings *settings,
                                       const char *excluded_backend, struct log *log);

/* Checks that the backend of the settings exists and can run here, without opening a model. "auto"
 * is not checked. Errors: -ENOENT, -ENODEV, as hearken_plugins_list. */
int served_backend_check(const struct settings *settings, struct hearken_error *error);

/* Calls the waiter once a model that is being loaded is ready or has failed. */
void served_model_wait(struct served_model *model, struct model_waiter *waiter);

/* Removes a waiter that has not been called. */
void served_model_stop_waiting(struct served_model *model, const struct model_waiter *waiter);

/* The device of a request has failed: sets `lost` and notifies the owner the first time. */
void served_model_mark_lost(struct served_model *model);

/* Both accept NULL. Releasing the last reference closes the model. */
struct served_model *served_model_acquire(struct served_model *model);
void served_model_release(struct served_model *model);

/* Whether the file was replaced or rewritten since it was opened. */
bool served_model_file_changed(const struct served_model *model);

struct model_facts {
    char *name, *description, *version, *author, *url; /* or NULL */
    json_t *languages;                                 /* codes, at least one */
};

/* Reads the metadata of a model file, from any thread. Errors: as hearken_model_inspect: the facts
 * are then empty, except for English as the language; -ENOMEM: they may be all zeros. */
int model_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error);

/* Accepts facts that are all zeros. */
void model_facts_finish(struct model_facts *facts);

/* Whether the model knows the language of a BCP 47 tag; compares the primary subtags only. */
bool model_facts_speaks(const struct model_facts *facts, const char *tag);

#endif
