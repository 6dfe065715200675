// SPDX-License-Identifier: MIT
/*
 * whisper.cpp's model file (its models/convert-pt-to-ggml.py and src/whisper.cpp): numbers, mel
 * filters, tokens, then tensors up to the end, each after its own header and not aligned.
 */
#ifndef HEARKEN_CHECKPOINT_GGML_H
#define HEARKEN_CHECKPOINT_GGML_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file begins like one; `data` [size]. */
bool ggml_begins(const uint8_t *data, size_t size);

/*
 * Fills in an empty checkpoint, which the caller finishes, also after an error. `path` is for
 * messages, `mapping` outlives the checkpoint. Errors: -EINVAL, named; -ENOMEM.
 */
int ggml_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
              struct hearken_error *error);

#endif
