// SPDX-License-Identifier: MIT
/*
 * Hugging Face's safetensors (https://github.com/huggingface/safetensors, "Format"): the length of
 * a JSON header, the header, the values. A model in several files (shards) has an index file.
 */
#ifndef HEARKEN_CONVERT_SAFETENSORS_H
#define HEARKEN_CONVERT_SAFETENSORS_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file that starts with `data` [size] may be in this format. */
bool safetensors_begins(const uint8_t *data, size_t size);

/*
 * Adds the tensors of one file that have names of Whisper's. `path` is for messages, `mapping` must
 * outlive the checkpoint. Errors: -EINVAL, -ENOMEM.
 */
int safetensors_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                     struct hearken_error *error);

/* The same for all files of an index, which are in `directory`. Errors: also the system's. */
int safetensors_read_index(struct checkpoint *checkpoint, const char *path, const char *directory,
                           struct hearken_error *error);

#endif
