// SPDX-License-Identifier: MIT
/*
 * A Whisper model saved by torch.save: a zip with a pickle and a file for each storage. OpenAI's
 * files have the tensors in model_state_dict and the dimensions in dims; Hugging Face's
 * pytorch_model.bin has only the tensors, with a config.json beside it.
 */
#ifndef HEARKEN_MODELS_CONVERT_TORCH_ARCHIVE_H
#define HEARKEN_MODELS_CONVERT_TORCH_ARCHIVE_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file that starts with `data` [size] may be in this format. */
bool torch_begins(const uint8_t *data, size_t size);

/*
 * Fills in an empty checkpoint, except its tokens, from the file `path`; the caller finishes it,
 * also after an error. `directory` may hold config.json. Errors: the system's, -EINVAL, -ENOMEM.
 */
int torch_read(struct checkpoint *checkpoint, const char *path, const char *directory,
               struct hearken_error *error);

/* The same from memory, which may be freed afterwards; `path` is for messages. */
int torch_read_memory(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                      const char *directory, struct hearken_error *error);

#endif
