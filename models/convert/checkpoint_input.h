// SPDX-License-Identifier: MIT
/* Opens a checkpoint of any supported format, which it detects by the content. */
#ifndef HEARKEN_MODELS_CONVERT_CHECKPOINT_INPUT_H
#define HEARKEN_MODELS_CONVERT_CHECKPOINT_INPUT_H

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/whisper_checkpoint.h"

#include <hearken/hearken.h>

/*
 * Opens a checkpoint file, or the one in a directory, with its configuration and vocabulary beside
 * it. `vocabulary`, if not NULL, is a file or directory whose tokens replace the checkpoint's.
 * Fills in and checks `checkpoint` and `whisper`; the caller calls checkpoint_finish(), also after
 * an error. Errors: the system's, -EINVAL, -ENOMEM.
 */
int input_open(struct checkpoint *checkpoint, struct whisper *whisper, const char *path,
               const char *vocabulary, struct hearken_error *error);

#endif
