// SPDX-License-Identifier: MIT
/* A checkpoint of whatever format: its content says which. */
#ifndef HEARKEN_MODELS_CONVERT_CHECKPOINT_INPUT_H
#define HEARKEN_MODELS_CONVERT_CHECKPOINT_INPUT_H

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/whisper_checkpoint.h"

#include <hearken/hearken.h>

/*
 * Opens a file, or the one in a directory that is a checkpoint, and what belongs to it beside it.
 * `vocabulary` is a file or directory of tokens to take instead of what is beside or in it; NULL.
 * Both are filled in and checked; the caller calls checkpoint_finish, also after an error. Errors:
 * the system's, -EINVAL, -ENOMEM.
 */
int input_open(struct checkpoint *checkpoint, struct whisper *whisper, const char *path,
               const char *vocabulary, struct hearken_error *error);

#endif
