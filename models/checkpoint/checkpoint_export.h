// SPDX-License-Identifier: MIT
/* Exports a Whisper checkpoint as a model file of architecture "hearken-las". */
#ifndef HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_EXPORT_H
#define HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_EXPORT_H

#include "models/checkpoint/whisper_checkpoint.h"

#include <hearken/hearken.h>

struct model_file {
    const char *name, *description, *license; /* the last two may be NULL */
    const char *language;                     /* its token is <|language|> */
    const float *padding; /* seconds of silence to append to a segment; NULL: key left out */
    bool no_window;       /* the model was adapted to segments shorter than its window */
    bool no_values;       /* tensors are written as zeros, for callers that read only the head */
    bool release;         /* free the checkpoint's values, which do not overlap, once written */
    struct whisper_types types;
    const struct whisper *whisper;
    const struct checkpoint *checkpoint;
};

/* Writes `path`, which stays unchanged on failure. Errors: the system's, -EINVAL with what is
 * missing. */
int model_file_write(const struct model_file *model, const char *path, struct hearken_error *error);

/* Writes to an in-memory file; returns its descriptor, which the caller closes. */
int model_file_make(const struct model_file *model, struct hearken_error *error);

#endif
