// SPDX-License-Identifier: MIT
/* The model file of architecture "hearken-las" that a Whisper checkpoint becomes. */
#ifndef HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_EXPORT_H
#define HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_EXPORT_H

#include "models/checkpoint/whisper_checkpoint.h"

#include <hearken/hearken.h>

struct model_file {
    const char *name, *description, *license; /* the last two may be NULL */
    const char *language;                     /* its token is <|language|> */
    const float *padding; /* seconds of silence that the listener wants; NULL: not said */
    bool no_window;       /* it was adapted to hear segments alone */
    bool no_values;       /* of tensors, which become zeros: for what only looks at the head */
    struct whisper_types types;
    const struct whisper *whisper;
    const struct checkpoint *checkpoint;
};

/* Writes `path`, or leaves it as it is. Errors: the system's, -EINVAL with what is missing. */
int model_file_write(const struct model_file *model, const char *path, struct hearken_error *error);

/* The same as a file in memory, which the caller closes; its descriptor. */
int model_file_make(const struct model_file *model, struct hearken_error *error);

#endif
