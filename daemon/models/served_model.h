// SPDX-License-Identifier: MIT
/*
 * A model in service: opened on a backend, or just being so, shared by the requests that came while
 * it was in force, and closed after the last of them. For the loop's thread, but for opening. What
 * takes time is done by libuv's threads, so that no recognition waits for it.
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

/* Where models belong: who is told of them, on the loop. */
struct model_home {
    uv_loop_t *loop;
    unsigned busy; /* models that are being loaded or closed */
    void *context;
    void (*loaded)(void *context, struct served_model *model); /* or it failed: see its state */
    void (*idle)(void *context);                               /* one has a single reference left */
    void (*lost)(void *context, struct served_model *model);   /* its device has failed */
};

enum served_state {
    SERVED_LOADING,
    SERVED_READY,
    SERVED_FAILED, /* `problem` says why */
};

/* Somebody who needs it. The waiter's own memory, until it is told. */
struct model_waiter {
    void (*settled)(void *context); /* it is ready, or has failed */
    void *context;
    struct model_waiter *next;
};

struct served_model {
    struct hearken_model *handle; /* when it is ready */
    enum served_state state;
    struct hearken_error problem;
    unsigned references;
    char *file;
    struct stat file_status; /* when it was opened */
    bool elsewhere;          /* not on the best backend, which was passed over */
    bool lost;               /* its device has failed */
    uint64_t idle_since;     /* uv_hrtime, while there is one reference */
    struct model_home *home; /* NULL: it is closed where its last reference is given back */
    struct model_waiter *waiters;
    uv_work_t work; /* that closes it */
};

/*
 * Opens a file on what [compute] says, which takes a while; from any thread, with settings that do
 * not change meanwhile. Where they leave the backend open, the one named `without` (or NULL) is
 * passed over. The caller gets the one reference. Errors: as hearken_model_open.
 */
int served_model_open(const char *file, const struct settings *settings, const char *without,
                      struct log *log, struct served_model **model, struct hearken_error *error);

/* The same in another thread: it is being loaded when this returns. NULL without memory. */
struct served_model *served_model_load(struct model_home *home, const char *file,
                                       const struct settings *settings, const char *without,
                                       struct log *log);

/* Tells the waiter once a model that is being loaded is not any more. */
void served_model_wait(struct served_model *model, struct model_waiter *waiter);

/* The waiter, which waits, is not to be told any more. */
void served_model_stop_waiting(struct served_model *model, const struct model_waiter *waiter);

/* A request's device has failed: sets `lost` and, the first time, tells the home. */
void served_model_lose(struct served_model *model);

/* Both accept NULL. The last reference that is given back closes it. */
struct served_model *served_model_take(struct served_model *model);
void served_model_release(struct served_model *model);

/* The file is not the one that was opened: replaced or rewritten. */
bool served_model_file_changed(const struct served_model *model);

struct model_facts {
    char *name, *description, *version, *author, *url; /* or NULL */
    json_t *languages;                                 /* codes, at least one */
};

/* Reads them, from any thread. Errors: as hearken_model_inspect; there are none then, but the
 * languages, which are English alone; -ENOMEM: nothing at all. */
int model_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error);

/* Accepts what is all zeros. */
void model_facts_finish(struct model_facts *facts);

/* Whether it knows the language of a BCP 47 tag ("en-GB": "en" is enough). */
bool model_facts_speaks(const struct model_facts *facts, const char *tag);

#endif
