// SPDX-License-Identifier: MIT
/*
 * What torch.save makes of a Whisper model: a zip with a pickle and a file for each storage.
 * OpenAI's own have the tensors in model_state_dict and their numbers in dims; Hugging Face's
 * pytorch_model.bin has the tensors alone, and a config.json beside it.
 */
#ifndef HEARKEN_CONVERT_TORCH_H
#define HEARKEN_CONVERT_TORCH_H

#include "checkpoint.h"

/* Whether a file begins like one; `data` [size]. */
bool torch_begins(const uint8_t *data, size_t size);

/*
 * Fills in an empty checkpoint but for its tokens; the caller finishes it, also after an error.
 * `path` is for messages, `directory` holds what may be beside it; `mapping` outlives the call.
 * Errors: the system's, -EINVAL, -ENOMEM.
 */
int torch_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
               const char *directory, struct complaint *complaint);

#endif
