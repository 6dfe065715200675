// SPDX-License-Identifier: MIT
/* Makes a model of a checkpoint that comes as several files, by hearken-convert. */
#ifndef HEARKEN_DAEMON_CLIENT_MODELS_MODEL_CHECKPOINT_H
#define HEARKEN_DAEMON_CLIENT_MODELS_MODEL_CHECKPOINT_H

#include "daemon/client/models/model_index.h"

#include <hearken/hearken.h>
#include <stdbool.h>

struct checkpoint_wish {
    const struct index_entry *entry;
    const char *target;           /* path of the model */
    const char *from;             /* a folder that has the parts; NULL: they are downloaded */
    const char *const *addresses; /* of the folder, with a slash at the end; ends with NULL */
    bool quiet;
};

/*
 * Downloads the parts into a folder beside the target, each as model_download() does it, converts
 * them, and removes the folder; an interrupted call goes on with what is there. The target appears
 * when it is whole. Errors: as of model_download(), -EBUSY, -EIO if hearken-convert fails, which
 * says why itself.
 */
int model_checkpoint_get(const struct checkpoint_wish *wish, struct hearken_error *error);

#endif
