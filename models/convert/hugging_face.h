// SPDX-License-Identifier: MIT
/*
 * Whisper checkpoints of Hugging Face's transformers: their tensors' names and JSON files, which
 * PyTorch's format has as well, and safetensors.
 */
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

/*
 * ---- safetensors (https://github.com/huggingface/safetensors, "Format") ----
 *
 * The length of a JSON header, the header, the values. A model in several files (shards) has an
 * index file.
 */

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
