// SPDX-License-Identifier: MIT
/* The tensor names and JSON files of Hugging Face's transformers for Whisper. */
#ifndef HEARKEN_CONVERT_HUGGING_FACE_H
#define HEARKEN_CONVERT_HUGGING_FACE_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/*
 * Translates "model.encoder.layers.0.fc1.weight" to "encoder.blocks.0.mlp.0.weight"; `to` has
 * CHECKPOINT_MAX_NAME bytes. False if the name is not one of Whisper's.
 */
bool hugging_face_rename(const char *name, char *to);

/*
 * Reads the numbers of heads and the lists from DIRECTORY/config.json and, if it exists,
 * generation_config.json. Errors: the system's; -EINVAL, also if the model is not Whisper; -ENOMEM.
 */
int hugging_face_read_config(struct checkpoint *checkpoint, const char *directory,
                             struct hearken_error *error);

#endif
