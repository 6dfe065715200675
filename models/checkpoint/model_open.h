// SPDX-License-Identifier: MIT
/* Opens a model file of any supported format. */
#ifndef HEARKEN_MODELS_CHECKPOINT_MODEL_OPEN_H
#define HEARKEN_MODELS_CHECKPOINT_MODEL_OPEN_H

#include "models/file/gguf.h"

#include <hearken/hearken.h>

/*
 * Reads a GGUF file (gguf_open), or converts a ggml file of whisper.cpp to one in memory: weights
 * keep their types if GGUF model files support them, else they become Q8_0. `translated`, if not
 * NULL, is then set. Errors: the system's, -EINVAL for invalid content (the message names it), -EIO
 * if the file is truncated or written to meanwhile, -ENOMEM.
 */
int model_file_open(const char *path, enum gguf_extent extent, struct gguf **gguf, bool *translated,
                    struct hearken_error *error);

#endif
