// SPDX-License-Identifier: MIT
/* One recording of a batch, from its attempt to its result or to why there is none. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_ITEM_WORK_H
#define HEARKEN_DAEMON_CLIENT_BATCH_ITEM_WORK_H

#include "daemon/client/batch/attempts.h"
#include "daemon/client/batch/fetch.h"
#include "daemon/client/batch/manifest.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

#include <hearken/hearken.h>
#include <stdatomic.h>

/* What all items share. */
struct item_setup {
    struct local *local; /* the model */
    const char *model_file;
    char model_sha256[SHA256_TEXT];
    struct stream_settings settings; /* of the command line */
    struct hearken_source_options source;
    const struct fetch_program *fetch;
    const struct result_store *store;
    double longest;     /* seconds; a longer recording is not recognised */
    double keep;        /* seconds of sound between two resume points */
    int interrupt;      /* a descriptor that becomes readable to stop at the end of a segment */
    atomic_uint *begun; /* attempts, counted also for the process that watches this one */
};

/* Which kind of failure ended an item. */
enum failure_class {
    FAILURE_NONE,
    FAILURE_UNREADABLE, /* no recording in a format that is known, or damaged throughout */
    FAILURE_NO_AUDIO,
    FAILURE_TOO_LONG,
    FAILURE_OPTIONS,  /* the model cannot do what is asked */
    FAILURE_CRASH,    /* the decoder, or this program, died of it */
    FAILURE_MISMATCH, /* the bytes are not those that the manifest names */
    FAILURE_IO,
    FAILURE_MEMORY,
    FAILURE_STORE, /* the results cannot be written: this is not the item's */
};

extern const char *const failure_class_names[];

enum item_state {
    ITEM_LEFT,      /* not begun, or stopped */
    ITEM_PUBLISHED, /* there is a result */
    ITEM_FAILED,    /* given up */
    ITEM_FAULT,     /* to be tried again later */
    ITEM_ENDED,     /* the batch cannot go on */
};

/* What has become of an item. */
struct item_outcome {
    enum item_state state;
    enum failure_class class;
    bool before;    /* an earlier run did it */
    double seconds; /* of sound, if there is a result */
    struct hearken_error error;
};

/* The settings of an item: those of the command line, and its own. The caller finishes them in any
 * case. Errors: -EINVAL, -ENOMEM. */
int item_settings(const struct item_setup *setup, const struct manifest_item *item,
                  struct stream_settings *settings, struct hearken_error *error);

/* Gives an item without an id the hash of its address, its options and the model. Errors: as
 * item_settings. */
int item_name(const struct item_setup *setup, struct manifest_item *item,
              struct hearken_error *error);

/* Whether an earlier run has done the item, with the same recording, model and options; fills in
 * the outcome if so. */
bool item_is_done(const struct item_setup *setup, const struct manifest_item *item,
                  struct item_outcome *outcome);

/* Does the item. `last`: a passing fault is not tried again in this run. */
void item_do(const struct item_setup *setup, const struct manifest_item *item, bool last,
             struct item_outcome *outcome);

#endif
