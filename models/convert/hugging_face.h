// SPDX-License-Identifier: MIT
/* What Hugging Face's transformers call the parts of Whisper, and its JSON files. */
#ifndef HEARKEN_CONVERT_HUGGING_FACE_H
#define HEARKEN_CONVERT_HUGGING_FACE_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/*
 * "model.encoder.layers.0.fc1.weight" to "encoder.blocks.0.mlp.0.weight", in `to` of
 * CHECKPOINT_MAX_NAME bytes; false for a name that is none of Whisper's.
 */
bool hugging_face_rename(const char *name, char *to);

/*
 * Reads DIRECTORY/config.json and, where it is, generation_config.json: heads and lists. Errors:
 * the system's; -EINVAL, named, also for a model that is no Whisper; -ENOMEM.
 */
int hugging_face_read_config(struct checkpoint *checkpoint, const char *directory,
                             struct hearken_error *error);

#endif
