// SPDX-License-Identifier: MIT
/* Opens whatever file a model comes in. */
#ifndef HEARKEN_MODELS_CHECKPOINT_MODEL_OPEN_H
#define HEARKEN_MODELS_CHECKPOINT_MODEL_OPEN_H

#include "models/file/gguf.h"

#include <hearken/hearken.h>

/*
 * A GGUF file is read (gguf_open). whisper.cpp's ggml file becomes one in memory: its weights in
 * the types they have where a model file can hold those, otherwise as Q8_0; `translated` is then
 * set, unless it is NULL. Errors: the system's, -EINVAL for what is in it (named), -EIO for one
 * that is cut short or written to meanwhile, -ENOMEM.
 */
int model_file_open(const char *path, enum gguf_extent extent, struct gguf **gguf, bool *translated,
                    struct hearken_error *error);

#endif
