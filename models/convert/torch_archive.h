// SPDX-License-Identifier: MIT
/*
 * What torch.save makes of a Whisper model: a zip with a pickle and a file for each storage.
 * OpenAI's own have the tensors in model_state_dict and their numbers in dims; Hugging Face's
 * pytorch_model.bin has the tensors alone, and a config.json beside it.
 */
#ifndef HEARKEN_MODELS_CONVERT_TORCH_ARCHIVE_H
#define HEARKEN_MODELS_CONVERT_TORCH_ARCHIVE_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file begins like one; `data` [size]. */
bool torch_begins(const uint8_t *data, size_t size);

/*
 * Fills in an empty checkpoint but for its tokens, from the file `path`; the caller finishes it,
 * also after an error. `directory` holds what may be beside it. Errors: the system's, -EINVAL,
 * -ENOMEM.
 */
int torch_read(struct checkpoint *checkpoint, const char *path, const char *directory,
               struct hearken_error *error);

/* The same from memory, which it does not keep; `path` is for messages. */
int torch_read_memory(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                      const char *directory, struct hearken_error *error);

#endif
