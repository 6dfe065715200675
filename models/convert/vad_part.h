// SPDX-License-Identifier: MIT
/* Copies the voice network of a GGUF file into a model file. */
#ifndef HEARKEN_MODELS_CONVERT_VAD_PART_H
#define HEARKEN_MODELS_CONVERT_VAD_PART_H

#include <hearken/hearken.h>
#include <stdint.h>

/*
 * Writes the content of `model` to `output`, with the keys hearken.voice.* and the tensors voice.*
 * of `voice` instead of its own. `output` may be `model`; on failure it stays unchanged. Errors:
 * the system's, -EINVAL for files of another kind.
 */
int voice_part_add(const char *model, const char *voice, const char *output,
                   struct hearken_error *error);

/* The number of mel bands that a voice network reads. Errors: as above. */
int voice_part_mels(const char *voice, uint32_t *mels, struct hearken_error *error);

#endif
