// SPDX-License-Identifier: MIT
/*
 * Hugging Face's safetensors (https://github.com/huggingface/safetensors, "Format"): the length of
 * a JSON header, the header, the values. A model of several files has an index of them.
 */
#ifndef HEARKEN_CONVERT_SAFETENSORS_H
#define HEARKEN_CONVERT_SAFETENSORS_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file begins like one; `data` [size]. */
bool safetensors_begins(const uint8_t *data, size_t size);

/*
 * Adds the tensors of one file that are Whisper's. `path` is for messages, `mapping` outlives the
 * checkpoint. Errors: -EINVAL, named; -ENOMEM.
 */
int safetensors_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                     struct hearken_error *error);

/* Those of all files that an index names, which lie in `directory`. Errors also the system's. */
int safetensors_read_index(struct checkpoint *checkpoint, const char *path, const char *directory,
                           struct hearken_error *error);

#endif
